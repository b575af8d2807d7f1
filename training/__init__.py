"""One script a verb, each run as `accelerate launch -m training.<verb> --config RECIPE`."""
