func.func @foo_c1_wrong() // foo_r1
