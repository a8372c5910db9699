mod proc_eras;
