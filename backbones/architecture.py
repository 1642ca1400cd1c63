"""The entries of an architecture that a file or a user may replace, checked before anything is built of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backbones.errors import ConfigError

# far beyond any published network; a file that claims more is not built
Depth = Annotated[int, Field(strict=True, ge=1, le=64)]
Width = Annotated[int, Field(strict=True, ge=8, le=8192)]
Heads = Annotated[int, Field(strict=True, ge=1, le=256)]
Tokens = Annotated[int, Field(strict=True, ge=1, le=256)]
Rate = Annotated[float, Field(strict=True, ge=0, le=1)]

HEAD_WIDTH = 32  # channels of a head of BiFormer's attention


class Architecture(BaseModel):
    """Entries with birder's names; those of the four stages are four numbers. None: the network's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depths: tuple[Depth, Depth, Depth, Depth] | None = None
    dims: tuple[Width, Width, Width, Width] | None = None
    embed_dims: tuple[Width, Width, Width, Width] | None = None
    heads: tuple[Heads, Heads, Heads, Heads] | None = None
    window_size: tuple[Tokens, Tokens] | None = None
    drop_path_rate: Rate | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Architecture:
        if self.dims and self.heads and any(dim % heads for dim, heads in zip(self.dims, self.heads, strict=True)):
            raise ValueError(f"heads {list(self.heads)} do not divide dims {list(self.dims)}")
        if self.dims and any(dim == following for dim, following in zip(self.dims, self.dims[1:], strict=False)):
            raise ValueError(f"dims {list(self.dims)} must change from stage to stage")
        if self.embed_dims and any(dim % HEAD_WIDTH for dim in self.embed_dims):
            raise ValueError(f"embed_dims {list(self.embed_dims)} must be multiples of {HEAD_WIDTH}")
        return self


def check_architecture(config: Mapping[str, Any], where: object) -> None:
    """Refuse entries that no network can be built of.

    Args:
        config: Some of the entries, or all.
        where: Whose they are, for the error.

    Raises:
        ConfigError: An entry is unknown, of another form, or out of bounds; it is named.
    """
    try:
        Architecture.model_validate(dict(config))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = first["loc"][0] if first["loc"] else "config"
        known = ", ".join(Architecture.model_fields)
        reason = "is not known" if first["type"] == "extra_forbidden" else first["msg"][0].lower() + first["msg"][1:]
        raise ConfigError(f"its config's {str(key)[:80]}: {reason}", where=where, hint=f"it knows {known}") from error
