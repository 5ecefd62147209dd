# vivado -mode batch -source power.tcl -tclargs CHECKPOINT SAIF REPORT UNMATCHED
lassign $argv checkpoint saif report unmatched
open_checkpoint $checkpoint
read_saif -strip_path bench/top -out_file $unmatched $saif
report_power -file $report
