"""The values of the settings `device` and `precision`; without torch, so that reading settings is fast."""

from typing import Annotated, Literal

from pydantic import Field

AUTO: Literal["auto"] = "auto"
DeviceName = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,2})?)$")]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
