"""How a pretrained model is compared with predictors that count."""
