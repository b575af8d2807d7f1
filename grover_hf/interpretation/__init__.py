"""What a model has learnt: its vectors beside annotation, its context, its attributions, as tables and figures."""
