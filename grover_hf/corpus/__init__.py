"""The genome as token ids: tokenized once, in context, and cut into windows."""
