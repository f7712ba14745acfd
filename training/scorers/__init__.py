"""One scorer for training, evaluation and reporting: exact checks first, a model judge last."""
