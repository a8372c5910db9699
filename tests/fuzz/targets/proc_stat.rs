#![no_main]
ctpulse_fuzz::target!(proc_stat);
