#!/bin/sh
# In a folder without a workflow of its own, `snakemake` runs the one in the image.
workflow=${SMALLMIX_SNAKEFILE:-/opt/smallmix/Snakefile}
if [ "${1:-}" = snakemake ] && [ ! -e Snakefile ] && [ ! -e workflow/Snakefile ]; then
    shift
    set -- snakemake --snakefile "$workflow" "$@"
fi
exec "$@"
