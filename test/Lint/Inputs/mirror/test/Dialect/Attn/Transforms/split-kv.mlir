// the test of SplitKV
