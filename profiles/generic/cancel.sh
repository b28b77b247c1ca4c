#!/bin/sh
# Cancels jobs: cancel.sh SYSTEM:ID ...      Only the Slurm form has been run. The others follow the systems' manuals.
set -u
for job; do
    id=${job#*:}
    case ${job%%:*} in
    slurm) scancel "$id" ;;
    pbs | sge) qdel "$id" ;;
    lsf) bkill "$id" ;;
    *) echo "cancel.sh: '$job' is not SYSTEM:ID" >&2 ;;
    esac
done
