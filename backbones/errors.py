"""The errors that users see: what is wrong, where, and what to do about it."""


class HoopoeError(Exception):
    """An error that its reader can act on.

    The command line prints the three parts and exits with 2; `str()` joins them for everybody else.

    Args:
        problem: What is wrong, in one sentence.
        where: The file, record or setting at fault.
        hint: What the user can do about it.

    Example:
        >>> try:
        ...     hp.load_detector("missing.safetensors")
        ... except hp.HoopoeError as error:
        ...     print(error.problem)
        there is no such detector
    """

    def __init__(self, problem: str, *, where: object = None, hint: str | None = None) -> None:
        self.problem = problem
        self.where = None if where is None else str(where)
        self.hint = hint
        text = problem if self.where is None else f"{self.where}: {problem}"
        super().__init__(text if hint is None else f"{text}; {hint}")

    def __reduce__(self) -> tuple[object, ...]:
        # keyword-only arguments would be lost on the way back from a worker process
        return _rebuild, (type(self), self.problem, self.where, self.hint)


def _rebuild(cls: type[HoopoeError], problem: str, where: str | None, hint: str | None) -> HoopoeError:
    return cls(problem, where=where, hint=hint)


class ConfigError(HoopoeError, ValueError):
    """A setting, command-line value or YAML key that cannot be used."""


class DataError(HoopoeError, ValueError):
    """An annotation file or table that cannot be used."""


class CheckpointError(HoopoeError):
    """A file of weights that cannot be used."""


class DownloadError(HoopoeError):
    """Weights that could not be fetched."""


class MediaError(HoopoeError):
    """An image or video that cannot be read."""


class DiskFullError(HoopoeError):
    """There is no room left to write to."""
