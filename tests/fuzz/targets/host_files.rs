#![no_main]
ctpulse_fuzz::target!(host_files);
