#![no_main]
ctpulse_fuzz::target!(recording);
