package media

// Remove lets a test come between the sweep's looking and its taking.
var Remove = (*Sweeper).remove
