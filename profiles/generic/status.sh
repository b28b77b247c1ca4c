#!/bin/sh
# Prints what has become of a job: running, success or failed. A system that does not answer is asked again later.
# status.sh SYSTEM:ID      Only the Slurm form has been run. The others follow the systems' manuals.
set -u
system=${1%%:*} id=${1#*:}

case $system in
slurm)
    answer=$(scontrol -o show job "$id" 2>&1)
    state=$(printf '%s\n' "$answer" | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p')
    case $state in
    COMPLETED) echo success ;;
    PENDING | RUNNING | COMPLETING | CONFIGURING | SUSPENDED | REQUEUED | REQUEUE_HOLD | RESIZING | STOPPED | PREEMPTED) echo running ;;
    '')
        # Forgotten, or the controller is away. What is forgotten has ended; a retry finds its result in the store.
        case $answer in
        *'Invalid job id'*) echo failed ;;
        *) echo running ;;
        esac
        ;;
    *) echo failed ;;
    esac
    ;;
pbs)
    answer=$(qstat -x -f "$id" 2>&1)
    case $(printf '%s\n' "$answer" | sed -n 's/^ *job_state = //p') in
    F | C)
        case $(printf '%s\n' "$answer" | sed -n 's/^ *Exit_status = //p') in
        0) echo success ;;
        *) echo failed ;;
        esac
        ;;
    '')
        case $answer in
        *'Unknown Job'*) echo failed ;;
        *) echo running ;;
        esac
        ;;
    *) echo running ;;
    esac
    ;;
sge)
    if qstat -j "$id" >/dev/null 2>&1; then
        echo running
    else
        # The accounting file lags behind by some seconds.
        for _ in 1 2 3 4 5 6; do
            answer=$(qacct -j "$id" 2>/dev/null) && break
            sleep 5
        done
        case $(printf '%s\n' "${answer:-}" | sed -n 's/^\(exit_status\|failed\) *\([0-9]*\).*/\2/p' | sort -u) in
        0) echo success ;;
        *) echo failed ;;
        esac
    fi
    ;;
lsf)
    answer=$(bjobs -noheader -o stat "$id" 2>&1)
    case $answer in
    DONE) echo success ;;
    EXIT | ZOMBI | *'not found'*) echo failed ;;
    *) echo running ;;
    esac
    ;;
*)
    echo "status.sh: '$1' is not SYSTEM:ID" >&2
    exit 2
    ;;
esac
