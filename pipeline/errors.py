"""What can go wrong, as a short tree. Every message is one or two sentences: the cause, then the cure."""

from __future__ import annotations

import sys
from collections.abc import Callable


class ContrailError(Exception):
    """The base of every error that Contrail raises on purpose; its text names the value and the cure."""


class SettingError(ContrailError):
    """A `CONTRAIL_*` variable or an option has a value that is not allowed."""


class JavaError(ContrailError):
    """No Java, or one that is too old."""


class JarError(ContrailError):
    """The JVM parts could not be fetched, or are not what the checked-in list says."""


class BrokerError(ContrailError):
    """Kafka cannot be started or reached."""


class FeedError(ContrailError):
    """A source of position reports cannot go on: no access, no file, no recording in it."""


class LakeError(ContrailError):
    """The lake cannot be used: another feed's, another driver's, unreadable or forbidden."""


class LostLakeError(LakeError):
    """Another driver has taken the lake while this one was silent."""


class StreamError(ContrailError):
    """A stream was named that does not exist, or cannot do what was asked of it."""


class DamageError(ContrailError):
    """A stream lacks its table or its checkpoint: trying again cannot help; `cause` and `cure` are a sentence each."""

    def __init__(self, cause: str, cure: str) -> None:
        super().__init__(f"{cause} {cure}")
        self.cause, self.cure = cause, cure


class TrainingError(ContrailError):
    """There is too little to train a model on, or an option of the training is not allowed."""


class DrillError(ContrailError):
    """A fault of the drill could not be done, or something did not come true after it."""


def exit_code(command: Callable[[], int | None]) -> int:
    """What a command ends with: its own code, 1 with a sentence on standard error, 130 after Ctrl-C, 0 when nobody reads on."""
    try:
        return command() or 0
    except ContrailError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
