"""Error of a training that diverged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklstm._batching._loader import LabelledSequences
from sklstm._training._optimizers import learning_rate
from sklstm.exceptions import TrainingDivergedError

if TYPE_CHECKING:
    from sklstm._training._net import SequenceNet


def divergence_error(what: str, net: SequenceNet, data: LabelledSequences) -> TrainingDivergedError:
    """Error with epoch, learning rate, largest input and remedies."""
    largest, inspect = "", ""
    epoch = net.history[-1]["epoch"] if net.history else 0
    # Token ids have no magnitude.
    if (most := data.sequences.largest()) is not None:
        largest = f" The largest input was {most:.3g}."
        inspect = (
            " If the largest input is far above 10, set standardize=True or clip outliers in X."
        )
    return TrainingDivergedError(
        f"{what} in epoch {epoch:.4g}, at a learning rate of"
        f" {learning_rate(net.optimizer_):.3g}.{largest}\n\nTry a smaller learning rate"
        f" (learning_rate={net.lr / 10:.1g}) or max_grad_norm=1.0.{inspect}"
    )
