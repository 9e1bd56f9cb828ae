; The loop that walks a table of kernels. Words after a dollar sign are filled in by run_loop.py.

declare i32 @backlight_yield()
declare i32 @backlight_sleep(i32)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
$declarations

define i64 @ticks() {
  $now
}

; Waiting gets cheaper for others the longer it lasts: some 30 µs of looking, about a millisecond of
; giving way to whoever wants to run, then naps.
define internal void @back_off(i64 %turn, i64 %spins) {
  %spinning = icmp slt i64 %turn, %spins
  br i1 %spinning, label %pause, label %longer
pause:
  $pause
  ret void
longer:
  %yields = add i64 %spins, 1500
  %yielding = icmp slt i64 %turn, %yields
  br i1 %yielding, label %yield, label %sleep
yield:
  %yielded = call i32 @backlight_yield()
  ret void
sleep:
  %slept = call i32 @backlight_sleep(i32 $nap)
  ret void
}

define internal void @copy_row(ptr %state, i64 %row) {
  %stride_at = getelementptr i64, ptr %state, i64 $STRIDE
  %stride = load i64, ptr %stride_at
  %none = icmp eq i64 %stride, 0
  br i1 %none, label %done, label %copy
copy:
  %rows_at = getelementptr i64, ptr %state, i64 $ROWS
  %rows = load ptr, ptr %rows_at
  %scalars_at = getelementptr i64, ptr %state, i64 $SCALARS
  %scalars = load ptr, ptr %scalars_at
  %offset = mul i64 %row, %stride
  %from = getelementptr i8, ptr %rows, i64 %offset
  call void @llvm.memcpy.p0.p0.i64(ptr %scalars, ptr %from, i64 %stride, i1 false)
  br label %done
done:
  ret void
}

define internal i1 @halted(ptr %state) alwaysinline {
  %error_at = getelementptr i64, ptr %state, i64 $ERROR
  %error = load atomic i64, ptr %error_at monotonic, align 8
  %stop_at = getelementptr i64, ptr %state, i64 $STOP
  %stop = load atomic i64, ptr %stop_at monotonic, align 8
  %either = or i64 %error, %stop
  %halted = icmp ne i64 %either, 0
  ret i1 %halted
}

define internal i64 @decision(ptr %state) {
  %halted = call i1 @halted(ptr %state)
  %now = call i64 @ticks()
  %deadline_at = getelementptr i64, ptr %state, i64 $DEADLINE
  %deadline = load i64, ptr %deadline_at
  %late = icmp sgt i64 %now, %deadline
  %slow = select i1 %late, i64 $UNFINISHED, i64 0
  %decided = select i1 %halted, i64 $STOPPED, i64 %slow
  ret i64 %decided
}

; The generation counts in fours; its lowest two bits are the decision of whoever came last.
define internal i64 @barrier(ptr %state, i64 %threads, i64 %row) noinline {
  %generation_at = getelementptr i64, ptr %state, i64 $GENERATION
  %arrived_at = getelementptr i64, ptr %state, i64 $ARRIVED
  %before = load atomic i64, ptr %generation_at acquire, align 8
  %earlier = atomicrmw add ptr %arrived_at, i64 1 acq_rel
  %here = add i64 %earlier, 1
  %last = icmp eq i64 %here, %threads
  br i1 %last, label %decide, label %wait
decide:
  store atomic i64 0, ptr %arrived_at monotonic, align 8
  %decided = call i64 @decision(ptr %state)
  %advancing = icmp sge i64 %row, 0
  br i1 %advancing, label %advance, label %open
advance:
  call void @copy_row(ptr %state, i64 %row)
  br label %open
open:
  %plain = and i64 %before, -4
  %counted = add i64 %plain, 4
  %after = or i64 %counted, %decided
  store atomic i64 %after, ptr %generation_at release, align 8
  ret i64 %decided
wait:
  %spins_at = getelementptr i64, ptr %state, i64 $SPINS
  %spins = load i64, ptr %spins_at
  %abandoned_at = getelementptr i64, ptr %state, i64 $ABANDONED
  br label %look
look:
  %turn = phi i64 [ 0, %wait ], [ %next, %again ]
  %generation = load atomic i64, ptr %generation_at acquire, align 8
  %moved = icmp ne i64 %generation, %before
  br i1 %moved, label %leave, label %still
leave:
  %read = and i64 %generation, 3
  ret i64 %read
still:
  call void @back_off(i64 %turn, i64 %spins)
  %next = add i64 %turn, 1
  %patient = icmp slt i64 %turn, %spins
  br i1 %patient, label %again, label %check
check:
  %abandoned = load atomic i64, ptr %abandoned_at monotonic, align 8
  %lost = icmp ne i64 %abandoned, 0
  br i1 %lost, label %give_up, label %again
give_up:
  ret i64 $STOPPED
again:
  br label %look
}

define internal i64 @walk(ptr %state, i64 %thread, i64 %threads) alwaysinline {
entry:
  %table_at = getelementptr i64, ptr %state, i64 $TABLE
  %table = load ptr, ptr %table_at
  %records_at = getelementptr i64, ptr %state, i64 $RECORDS
  %records = load i64, ptr %records_at
  %repetitions_at = getelementptr i64, ptr %state, i64 $REPETITIONS
  %repetitions = load i64, ptr %repetitions_at
  %profile_at = getelementptr i64, ptr %state, i64 $PROFILE
  %profile = load i64, ptr %profile_at
  %record_at = getelementptr i64, ptr %state, i64 $RECORD
  %repetition_at = getelementptr i64, ptr %state, i64 $REPETITION
  %piece_at = getelementptr i64, ptr %state, i64 $PIECE
  %reached_at = getelementptr i64, ptr %state, i64 $REACHED
  %first_record = load i64, ptr %record_at
  %first_repetition = load i64, ptr %repetition_at
  %first_piece = load i64, ptr %piece_at
  %alone = icmp eq i64 %threads, 1
  %leader = icmp eq i64 %thread, 0
  %profiled = icmp ne i64 %profile, 0
  %timing = and i1 %leader, %profiled
  br label %turn

turn:
  %record = phi i64 [ %first_record, %entry ], [ %next_record, %on ]
  %repetition = phi i64 [ %first_repetition, %entry ], [ %next_repetition, %on ]
  %piece = phi i64 [ %first_piece, %entry ], [ %next_piece, %on ]
  %offset = mul i64 %record, $RECORD_WORDS
  %here = getelementptr i64, ptr %table, i64 %offset
  %function = load ptr, ptr %here
  %operands_at = getelementptr i64, ptr %here, i64 1
  %operands = load ptr, ptr %operands_at
  %chunks_at = getelementptr i64, ptr %here, i64 2
  %chunks = load i64, ptr %chunks_at
  %flags_at = getelementptr i64, ptr %here, i64 3
  %flags = load i64, ptr %flags_at
  %spent_at = getelementptr i64, ptr %here, i64 4
  %pieces_at = getelementptr i64, ptr %here, i64 5
  %pieces = load i64, ptr %pieces_at
  br i1 %timing, label %start_clock, label %started
start_clock:
  %clock = call i64 @ticks()
  br label %started
started:
  %began = phi i64 [ 0, %turn ], [ %clock, %start_clock ]
  %single_bits = and i64 %flags, $SINGLE
  %single = icmp ne i64 %single_bits, 0
  br i1 %single, label %one, label %shared
one:
  br i1 %leader, label %whole, label %worked
shared:
  br i1 %alone, label %portion, label %divide
divide:
  %low_product = mul i64 %chunks, %thread
  %low = udiv i64 %low_product, %threads
  %following = add i64 %thread, 1
  %high_product = mul i64 %chunks, %following
  %high = udiv i64 %high_product, %threads
  br label %portion
portion:
  %from = phi i64 [ 0, %shared ], [ %low, %divide ]
  %to = phi i64 [ %chunks, %shared ], [ %high, %divide ]
  %cut = icmp sgt i64 %pieces, 1
  br i1 %cut, label %slice, label %range
slice:
  %length = sub i64 %to, %from
  %slice_product = mul i64 %length, %piece
  %slice_low = udiv i64 %slice_product, %pieces
  %after_piece = add i64 %piece, 1
  %slice_end_product = mul i64 %length, %after_piece
  %slice_high = udiv i64 %slice_end_product, %pieces
  %slice_from = add i64 %from, %slice_low
  %slice_to = add i64 %from, %slice_high
  br label %range
range:
  %begin = phi i64 [ %from, %portion ], [ %slice_from, %slice ]
  %end = phi i64 [ %to, %portion ], [ %slice_to, %slice ]
  %some = icmp slt i64 %begin, %end
  br i1 %some, label %work, label %worked
whole:
  br label %work
work:
  %work_begin = phi i64 [ %begin, %range ], [ 0, %whole ]
  %work_end = phi i64 [ %end, %range ], [ %chunks, %whole ]
  call void %function(ptr %operands, i64 %work_begin, i64 %work_end)
  br label %worked

worked:
  %piece_up = add i64 %piece, 1
  %more_pieces = icmp slt i64 %piece_up, %pieces
  %record_up = add i64 %record, 1
  %more_records = icmp slt i64 %record_up, %records
  %stay = or i1 %more_pieces, %more_records
  %end_of_table = xor i1 %stay, true
  %next_piece = select i1 %more_pieces, i64 %piece_up, i64 0
  %moved_record = select i1 %more_records, i64 %record_up, i64 0
  %next_record = select i1 %more_pieces, i64 %record, i64 %moved_record
  %repetition_up = add i64 %repetition, 1
  %next_repetition = select i1 %end_of_table, i64 %repetition_up, i64 %repetition
  %finished = icmp sge i64 %next_repetition, %repetitions
  br i1 %finished, label %met, label %unfinished
unfinished:
  %free_bits = and i64 %flags, $NO_BARRIER
  %free = icmp ne i64 %free_bits, 0
  %runs_on = and i1 %free, %stay
  br i1 %runs_on, label %met, label %meet
meet:
  br i1 %alone, label %decide, label %join
decide:
  ; The clock is looked at after every longer record, and every 64 repetitions of brief ones.
  %brief_bits = and i64 %flags, $BRIEF
  %brief = icmp ne i64 %brief_bits, 0
  %round = and i64 %next_repetition, 63
  %full = icmp eq i64 %round, 0
  %look = and i1 %full, %end_of_table
  %overlook = xor i1 %look, true
  %in_haste = and i1 %brief, %overlook
  br i1 %in_haste, label %glance, label %consult
glance:
  %halted = call i1 @halted(ptr %state)
  %glanced = select i1 %halted, i64 $STOPPED, i64 0
  br label %own_way
consult:
  %consulted = call i64 @decision(ptr %state)
  br label %own_way
own_way:
  %own = phi i64 [ %glanced, %glance ], [ %consulted, %consult ]
  br i1 %end_of_table, label %advance, label %met
advance:
  call void @copy_row(ptr %state, i64 %next_repetition)
  br label %met
join:
  %row = select i1 %end_of_table, i64 %next_repetition, i64 -1
  %joint = call i64 @barrier(ptr %state, i64 %threads, i64 %row)
  br label %met
met:
  %decided = phi i64 [ 0, %worked ], [ 0, %unfinished ], [ %own, %own_way ],
                     [ %own, %advance ], [ %joint, %join ]
  br i1 %timing, label %stop_clock, label %timed
stop_clock:
  %ended = call i64 @ticks()
  %took = sub i64 %ended, %began
  %spent = load i64, ptr %spent_at
  %sum = add i64 %spent, %took
  store i64 %sum, ptr %spent_at
  br label %timed
timed:
  br i1 %finished, label %end_of_walk, label %go_on
go_on:
  %leaving = icmp ne i64 %decided, 0
  br i1 %leaving, label %interrupted, label %on
on:
  br label %turn
interrupted:
  br i1 %leader, label %note, label %out
note:
  store i64 %next_record, ptr %record_at
  store i64 %next_repetition, ptr %repetition_at
  store i64 %next_piece, ptr %piece_at
  store i64 %repetition, ptr %reached_at
  br label %out
out:
  ret i64 %decided
end_of_walk:
  br i1 %leader, label %note_end, label %walked
note_end:
  store i64 %repetition, ptr %reached_at
  br label %walked
walked:
  ret i64 $FINISHED
}

define internal i1 @open(ptr %state) {
  %running_at = getelementptr i64, ptr %state, i64 $RUNNING
  %pair = cmpxchg ptr %running_at, i64 0, i64 1 acq_rel monotonic
  %taken = extractvalue { i64, i1 } %pair, 1
  br i1 %taken, label %fresh, label %refuse
refuse:
  ret i1 false
fresh:
  %record_at = getelementptr i64, ptr %state, i64 $RECORD
  store i64 0, ptr %record_at
  %repetition_at = getelementptr i64, ptr %state, i64 $REPETITION
  store i64 0, ptr %repetition_at
  %piece_at = getelementptr i64, ptr %state, i64 $PIECE
  store i64 0, ptr %piece_at
  %abandoned_at = getelementptr i64, ptr %state, i64 $ABANDONED
  store i64 0, ptr %abandoned_at
  %error_at = getelementptr i64, ptr %state, i64 $ERROR
  store i64 0, ptr %error_at
  %stop_at = getelementptr i64, ptr %state, i64 $STOP
  store i64 0, ptr %stop_at
  call void @copy_row(ptr %state, i64 0)
  ret i1 true
}

define internal void @set_deadline(ptr %state) {
  %slice_at = getelementptr i64, ptr %state, i64 $SLICE
  %slice = load i64, ptr %slice_at
  %now = call i64 @ticks()
  %deadline = add i64 %now, %slice
  %deadline_at = getelementptr i64, ptr %state, i64 $DEADLINE
  store i64 %deadline, ptr %deadline_at
  ret void
}

define internal i64 @outcome(ptr %state, i64 %walked) {
  %unfinished = icmp eq i64 %walked, $UNFINISHED
  br i1 %unfinished, label %later, label %over
later:
  ret i64 $UNFINISHED
over:
  %running_at = getelementptr i64, ptr %state, i64 $RUNNING
  store i64 0, ptr %running_at
  %error_at = getelementptr i64, ptr %state, i64 $ERROR
  %error = load atomic i64, ptr %error_at monotonic, align 8
  %failed = icmp ne i64 %error, 0
  %found = select i1 %failed, i64 $STOPPED, i64 %walked
  ret i64 %found
}

define i64 @resume_alone(ptr %state) {
  call void @set_deadline(ptr %state)
  %walked = call i64 @walk(ptr %state, i64 0, i64 1)
  %found = call i64 @outcome(ptr %state, i64 %walked)
  ret i64 %found
}

define i64 @start_alone(ptr %state) {
  %opened = call i1 @open(ptr %state)
  br i1 %opened, label %go, label %busy
busy:
  ret i64 $BUSY
go:
  %found = call i64 @resume_alone(ptr %state)
  ret i64 %found
}

; Claims every worker or none, so that two teams can never wait for each other.
define internal i1 @claim(ptr %team, i64 %threads) {
entry:
  br label %next
next:
  %thread = phi i64 [ 1, %entry ], [ %up, %taken ]
  %all = icmp sge i64 %thread, %threads
  br i1 %all, label %yes, label %take
take:
  %offset = mul i64 %thread, $MAIL_WORDS
  %status_at = getelementptr i64, ptr %team, i64 %offset
  %pair = cmpxchg ptr %status_at, i64 $AWAKE, i64 $CLAIMED acq_rel monotonic
  %got = extractvalue { i64, i1 } %pair, 1
  br i1 %got, label %taken, label %undo
taken:
  %up = add i64 %thread, 1
  br label %next
undo:
  %undo_thread = phi i64 [ %thread, %take ], [ %down, %undone ]
  %down = sub i64 %undo_thread, 1
  %none = icmp eq i64 %down, 0
  br i1 %none, label %no, label %undone
undone:
  %undo_offset = mul i64 %down, $MAIL_WORDS
  %undo_at = getelementptr i64, ptr %team, i64 %undo_offset
  store atomic i64 $AWAKE, ptr %undo_at release, align 8
  br label %undo
yes:
  ret i1 true
no:
  ret i1 false
}

define internal void @post(ptr %team, ptr %state, i64 %threads) {
entry:
  br label %next
next:
  %thread = phi i64 [ 1, %entry ], [ %up, %one ]
  %all = icmp sge i64 %thread, %threads
  br i1 %all, label %done, label %one
one:
  %offset = mul i64 %thread, $MAIL_WORDS
  %status_at = getelementptr i64, ptr %team, i64 %offset
  %state_at = getelementptr i64, ptr %status_at, i64 $STATE_AT
  store ptr %state, ptr %state_at
  %threads_at = getelementptr i64, ptr %status_at, i64 $THREADS
  store i64 %threads, ptr %threads_at
  store atomic i64 $POSTED, ptr %status_at release, align 8
  %up = add i64 %thread, 1
  br label %next
done:
  ret void
}

define internal i64 @run_all(ptr %team, ptr %state, i64 %threads) {
entry:
  call void @set_deadline(ptr %state)
  call void @post(ptr %team, ptr %state, i64 %threads)
  %walked = call i64 @walk(ptr %state, i64 0, i64 %threads)
  %left_at = getelementptr i64, ptr %state, i64 $LEFT
  %spins_at = getelementptr i64, ptr %state, i64 $SPINS
  %spins = load i64, ptr %spins_at
  %abandoned_at = getelementptr i64, ptr %state, i64 $ABANDONED
  %others = sub i64 %threads, 1
  br label %look
look:
  %turn = phi i64 [ 0, %entry ], [ %next, %wait ]
  %left = load atomic i64, ptr %left_at acquire, align 8
  %gone = icmp sge i64 %left, %others
  %abandoned = load atomic i64, ptr %abandoned_at monotonic, align 8
  %lost = icmp ne i64 %abandoned, 0
  %over = or i1 %gone, %lost
  br i1 %over, label %done, label %wait
wait:
  call void @back_off(i64 %turn, i64 %spins)
  %next = add i64 %turn, 1
  br label %look
done:
  store atomic i64 0, ptr %left_at monotonic, align 8
  %found = call i64 @outcome(ptr %state, i64 %walked)
  ret i64 %found
}

; Waits a moment for workers that are on their way; false says that some must be woken.
define internal i1 @gather(ptr %team, i64 %threads) {
entry:
  %spins_at = getelementptr i64, ptr %team, i64 $IDLE_SPINS
  %spins = load i64, ptr %spins_at
  %patience = add i64 %spins, 1520
  br label %try
try:
  %turn = phi i64 [ 0, %entry ], [ %next, %again ]
  %got = call i1 @claim(ptr %team, i64 %threads)
  br i1 %got, label %yes, label %wait
wait:
  %out_of_patience = icmp sge i64 %turn, %patience
  br i1 %out_of_patience, label %no, label %again
again:
  call void @back_off(i64 %turn, i64 %spins)
  %next = add i64 %turn, 1
  br label %try
yes:
  ret i1 true
no:
  ret i1 false
}

define i64 @resume_team(ptr %team, ptr %state, i64 %threads) {
  %hold_at = getelementptr i64, ptr %team, i64 $HOLD
  store atomic i64 1, ptr %hold_at release, align 8
  %got = call i1 @gather(ptr %team, i64 %threads)
  br i1 %got, label %go, label %asleep
asleep:
  ret i64 $ASLEEP ; those who are awake stay so until the others are
go:
  store atomic i64 0, ptr %hold_at release, align 8
  %found = call i64 @run_all(ptr %team, ptr %state, i64 %threads)
  ret i64 %found
}

define i64 @start_team(ptr %team, ptr %state, i64 %threads) {
  %opened = call i1 @open(ptr %state)
  br i1 %opened, label %go, label %busy
busy:
  ret i64 $BUSY
go:
  %got = call i1 @claim(ptr %team, i64 %threads)
  br i1 %got, label %run, label %asleep
asleep:
  ret i64 $ASLEEP
run:
  %found = call i64 @run_all(ptr %team, ptr %state, i64 %threads)
  ret i64 %found
}

define i64 @worker(ptr %team, ptr %mail) {
entry:
  %hold_at = getelementptr i64, ptr %team, i64 $HOLD
  %quit_at = getelementptr i64, ptr %team, i64 $QUIT
  %idle_at = getelementptr i64, ptr %team, i64 $IDLE
  %spins_at = getelementptr i64, ptr %team, i64 $IDLE_SPINS
  %state_at = getelementptr i64, ptr %mail, i64 $STATE_AT
  %threads_at = getelementptr i64, ptr %mail, i64 $THREADS
  %thread_at = getelementptr i64, ptr %mail, i64 $THREAD
  store atomic i64 $AWAKE, ptr %mail release, align 8
  br label %free
free:
  %since = call i64 @ticks()
  %spins = load i64, ptr %spins_at
  br label %look
look:
  %turn = phi i64 [ 0, %free ], [ %next, %again ]
  %status = load atomic i64, ptr %mail acquire, align 8
  %posted = icmp eq i64 %status, $POSTED
  br i1 %posted, label %take, label %idle
take:
  %state = load ptr, ptr %state_at
  %threads = load i64, ptr %threads_at
  %thread = load i64, ptr %thread_at
  store atomic i64 $AWAKE, ptr %mail release, align 8
  %walked = call i64 @walk(ptr %state, i64 %thread, i64 %threads)
  %left_at = getelementptr i64, ptr %state, i64 $LEFT
  %left = atomicrmw add ptr %left_at, i64 1 release
  br label %free
idle:
  %next = add i64 %turn, 1
  call void @back_off(i64 %turn, i64 %spins)
  %quit = load atomic i64, ptr %quit_at monotonic, align 8
  %leaving = icmp ne i64 %quit, 0
  br i1 %leaving, label %done, label %patience
patience:
  %hold = load atomic i64, ptr %hold_at acquire, align 8
  %held = icmp ne i64 %hold, 0
  %now = call i64 @ticks()
  %waited = sub i64 %now, %since
  %limit = load i64, ptr %idle_at
  %long = icmp sgt i64 %waited, %limit
  %free_to_go = xor i1 %held, true
  %tired = and i1 %long, %free_to_go
  br i1 %tired, label %try_park, label %again
again:
  br label %look
try_park:
  %pair = cmpxchg ptr %mail, i64 $AWAKE, i64 $PARKED acq_rel monotonic
  %parked = extractvalue { i64, i1 } %pair, 1
  br i1 %parked, label %park, label %again
park:
  ret i64 0
done:
  store atomic i64 $PARKED, ptr %mail release, align 8
  ret i64 1
}
