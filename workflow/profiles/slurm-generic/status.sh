#!/bin/sh
# Print running, success or failed for a SLURM job. Snakemake calls this often and for each job, so it queries the queue as a
# whole, at most every two seconds, and stores it in a file. It queries a single job only if the queue no longer lists it.
trap '' INT # Ctrl-C is for Snakemake, which then cancels the jobs
job=$1
queue=.snakemake/slurm-queue
if [ -z "$(find "$queue" -newermt '2 seconds ago' 2>/dev/null)" ]; then
    squeue --noheader --me --format=%A > "$queue.$$" 2>/dev/null && mv "$queue.$$" "$queue" || rm -f "$queue.$$"
fi
if grep -qx "$job" "$queue" 2>/dev/null; then
    echo running
    exit
fi

answer=$(scontrol --oneliner show job "$job" 2>&1)
case $answer in
    *JobState=*) state=${answer#*JobState=} state=${state%% *} ;;
    *"Invalid job id"*) # the controller has forgotten it, but a database may know it
        state=$(sacct --noheader --allocations --parsable2 --format=State --jobs="$job" 2>/dev/null | head -n 1)
        state=${state%% *}
        [ -n "$state" ] || state=FORGOTTEN ;;
    *) state=UNKNOWN ;; # the controller does not answer at the moment
esac
case $state in
    COMPLETED) echo success ;;
    BOOT_FAIL | CANCELLED | DEADLINE | FAILED | FORGOTTEN | NODE_FAIL | OUT_OF_MEMORY | PREEMPTED | TIMEOUT) echo failed ;;
    *) echo running ;;
esac
