#!/bin/sh
# share-gpus.sh COMMAND …: run a command under NVIDIA's multi-process service, so that the kernels of several processes
# run at the same time on a GPU. Without the service they take turns. The service is this user's alone, changes no
# setting of a GPU, and ends with the command. Where it is missing or does not start, the command runs without it.
control=nvidia-cuda-mps-control
ask() { timeout 20 "$control" "$@" >/dev/null 2>&1; }

[ $# -gt 0 ] || { echo "share-gpus: name a command, such as snakemake --workflow-profile profiles/workstation" >&2; exit 2; }
if ! command -v "$control" >/dev/null; then
    echo "share-gpus: there is no $control here; cells that share a GPU take turns" >&2
    exec "$@"
fi
folder=$(mktemp -d) || exit 1
export CUDA_MPS_PIPE_DIRECTORY="$folder" CUDA_MPS_LOG_DIRECTORY="$folder"
if ! ask -d </dev/null; then
    rm -rf "$folder"
    unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
    echo "share-gpus: $control did not start; cells that share a GPU take turns" >&2
    exec "$@"
fi
# The command takes the place of this shell, so that all signals are its own. Who is left behind waits for its end.
(
    trap '' INT HUP TERM
    while kill -0 $$ 2>/dev/null; do sleep 1; done
    if echo quit | ask; then rm -rf "$folder"; fi
) </dev/null >/dev/null 2>&1 &
exec "$@"
