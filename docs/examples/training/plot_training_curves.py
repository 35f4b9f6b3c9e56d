"""
Training curves
===============

Loss and scores after each epoch show whether a training has come to its end, and whether a network
learns its training sequences by heart. This example records them for training and validation
sequences, draws them, and reads the picture.

The data are the training part of JapaneseVowels: 270 recordings of nine speakers, of 7 to 26
timesteps with 12 features. The data set is part of the ``aeon`` package, so nothing is downloaded.
"""

import matplotlib.pyplot as plt
import pandas as pd
from aeon.datasets import load_classification
from sklearn.model_selection import train_test_split

from sklstm import LSTMSequenceClassifier
from sklstm.inspection import TrainingHistoryDisplay

X, y = load_classification("JapaneseVowels", split="train")
X = [sequence.T for sequence in X]  # timesteps before features
X_train, X_val, y_train, y_val = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)
print(f"{len(X_train)} training and {len(X_val)} validation sequences")

# %%
# Recording
# ---------
#
# ``scoring`` names the metrics, as ``metrics`` does in Keras. With ``return_train_score`` the
# training sequences are scored like the validation sequences. LSTM layers alone are easier to read
# than the default, in which a linear model beside the network knows the training sequences from the
# start.

classifier = LSTMSequenceClassifier(
    hidden_sizes=32,
    n_kernels=0,
    conv_filters=(),
    max_epochs=40,
    scoring=["accuracy", "neg_log_loss"],
    return_train_score=True,
    random_state=0,
)
classifier.fit(X_train, y_train, X_val=X_val, y_val=y_val)

history = pd.DataFrame(classifier.history_).set_index("epoch")
columns = [
    "train_loss",
    "train_eval_loss",
    "valid_loss",
    "train_accuracy",
    "valid_accuracy",
]
print(history.loc[[1, 10, 20, 21, 30, 40], columns].round(3).to_string())

# %%
# The picture
# -----------

TrainingHistoryDisplay.from_estimator(classifier)

# %%
# - The loss of the training batches is above the validation loss until the dotted line, and falls
#   below it there: up to it the batches are mixtures of sequences, so of the two training curves
#   only the other one, of the sequences as they are predicted, can be compared.
# - All training sequences are recognised after some 15 epochs, and the validation accuracy hardly
#   changes from then on, while the losses go on falling: the probabilities still become better.
# - The curves are flat at the end, where the learning rate has come down to almost 0: with more
#   epochs it would come down later, which is another training and not a longer one.
#
# Learning by heart
# -----------------
#
# The same network on five sequences of each speaker, without mixup and with a constant learning
# rate. Left the fit above, right this one; the scale is logarithmic.

few, _, y_few, _ = train_test_split(
    X_train, y_train, train_size=45, stratify=y_train, random_state=0
)
by_heart = LSTMSequenceClassifier(
    **{
        **classifier.get_params(),
        "mixup_alpha": 0.0,
        "lr_schedule": None,
        "max_epochs": 100,
    }
)
by_heart.fit(few, y_few, X_val=X_val, y_val=y_val)

figure, axes = plt.subplots(
    1, 2, figsize=(9, 4), sharey=True, layout="constrained"
)
for ax, model, title in zip(
    axes,
    (classifier, by_heart),
    ("189 sequences, mixup", "45 sequences"),
    strict=True,
):
    display = TrainingHistoryDisplay.from_estimator(
        model, ax=ax, panels=["loss"]
    )
    ax.set(title=title, yscale="log")

losses = pd.DataFrame(by_heart.history_).set_index("epoch")[
    ["train_eval_loss", "valid_loss"]
]
print(losses.loc[[1, 30, 60, 100]].round(3).to_string())

# %%
# The training loss goes on falling, and the validation loss hardly moves from epoch 30 on: what is
# learnt after that is these 45 recordings and not the speakers. ``early_stopping=True`` ends such a
# training, and keeps the epoch of the best validation score.
