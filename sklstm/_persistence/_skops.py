"""What skops has to be told when it loads pipelines with steps of this package."""

from __future__ import annotations

# One entry for each public class that has a fit. They hold values and run nothing of a file's.
SKOPS_TRUSTED = (
    "sklstm._classifier.LSTMSequenceClassifier",
    "sklstm._regressor.LSTMSequenceRegressor",
    "sklstm.preprocessing._imputer.SequenceImputer",
    "sklstm.preprocessing._rolling.RollingFeatures",
    "sklstm.preprocessing._scaler.SequenceScaler",
    "sklstm.preprocessing._tokens.TokenEncoder",
)
