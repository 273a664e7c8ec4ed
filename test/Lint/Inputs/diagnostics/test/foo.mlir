// expected-error@+1 {{expects one; or two, but got 3}}
// expected-error@+1 {{expects a "quoted" word}}
