// foo_r1
