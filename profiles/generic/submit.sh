#!/bin/sh
# Submits a job script and prints SYSTEM:ID, which status.sh and cancel.sh understand.
# submit.sh SYSTEM RULE SIZE CORES GPUS MEGABYTES MINUTES SCRIPT      (SYSTEM: slurm, pbs, sge or lsf)
# SITE: queues, accounts and the name of the GPU resource differ; edit the line of your system.
# Only the Slurm form has been run. The others follow the systems' manuals.
set -eu
system=$1 rule=$2 size=$3 cores=$4 gpus=$5 megabytes=$6 minutes=$7 script=$8
name=smallmix-$rule-n$size
logs=logs/generic
mkdir -p "$logs"
time=$((minutes / 60)):$((minutes % 60)):00

case $system in
slurm)
    [ "$gpus" -gt 0 ] && gpu_option="--gpus=$gpus" || gpu_option=
    # shellcheck disable=SC2086
    id=$(sbatch --parsable --requeue --job-name="$name" --output="$logs/%j.log" --ntasks=1 --cpus-per-task="$cores" \
        --mem="$megabytes" --time="$minutes" $gpu_option "$script")
    id=${id%%;*} # a federation adds ";cluster"
    ;;
pbs) # PBS Professional and OpenPBS
    id=$(qsub -V -r y -N "$(printf %.15s "$name")" -j oe -o "$logs/" \
        -l "select=1:ncpus=$cores:ngpus=$gpus:mem=${megabytes}mb" -l "walltime=$time" "$script")
    ;;
sge) # memory is counted per core
    id=$(qsub -terse -V -cwd -r y -N "$name" -j y -o "$logs/" -pe smp "$cores" \
        -l "h_rt=$time,h_vmem=$((megabytes / cores))M,gpu=$gpus" "$script")
    ;;
lsf) # -M and mem in megabytes, unless the site's LSF_UNIT_FOR_LIMITS says otherwise
    id=$(bsub -r -J "$name" -o "$logs/%J.log" -n "$cores" -R "span[hosts=1] rusage[mem=$megabytes]" -M "$megabytes" \
        -W "$minutes" -gpu "num=$gpus" <"$script" | sed -n 's/^Job <\([0-9]*\)>.*/\1/p')
    ;;
*)
    echo "submit.sh: unknown batch system '$system'; use slurm, pbs, sge or lsf" >&2
    exit 2
    ;;
esac
[ -n "$id" ] || { echo "submit.sh: $system gave no job id" >&2; exit 1; }
echo "$system:$id"
