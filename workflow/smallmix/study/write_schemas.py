"""Write the schemas for editors from the models: `python -m smallmix.study.write_schemas`, or `make schema`."""

from __future__ import annotations

from smallmix.study import config_model, published
from smallmix.study.model_schema import SCHEMAS

if __name__ == "__main__":
    for name, module in (("config", config_model), ("published", published)):
        (SCHEMAS / f"{name}.schema.yaml").write_text(module.schema_text(), encoding="utf-8")
