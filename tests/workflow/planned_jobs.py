"""Write the jobs of a study as JSON, in an order in which they can run.

`python planned_jobs.py CONFIGFILE PREFIX OUTPUT`, started in the project's folder. Files lie in a storage under PREFIX,
as they do without a shared file system. Nothing is run and nothing is fetched. It is a program of its own, because
Snakemake changes the process that it runs in.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    OutputSettings,
    ResourceSettings,
    StorageSettings,
    WorkflowSettings,
)


def write_jobs(configuration: Path, prefix: str, output: Path) -> None:
    """Write rule, input, output, log and shell command of each job that runs one; paths are those on its machine."""
    with SnakemakeApi(OutputSettings()) as api:
        workflow_api = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[configuration]),
            storage_settings=StorageSettings(default_storage_provider="fs", default_storage_prefix=prefix),
            workflow_settings=WorkflowSettings(),
            snakefile=Path("Snakefile"),
        )
        workflow_api.dag().execute_workflow(executor="dryrun")
        jobs = [job for level in workflow_api._workflow.dag.toposorted() for job in level if job.shellcmd]
        described = [
            {
                "rule": job.rule.name,
                "input": list(map(str, job.input)),
                "output": list(map(str, job.output)),
                "log": list(map(str, job.log)),
                "command": job.shellcmd,
            }
            for job in jobs
        ]
    output.write_text(json.dumps(described), encoding="utf-8")


if __name__ == "__main__":
    write_jobs(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
