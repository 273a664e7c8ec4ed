// foo_c1 foo_c2
