"""How a pretrained model is judged beside predictors that count."""
