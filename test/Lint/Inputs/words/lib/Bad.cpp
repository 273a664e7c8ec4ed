// no banner 
// TODO: later
int x; // see /root/notes
