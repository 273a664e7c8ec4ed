// foo_c1 foo_c2 foo_c12
