package media

// Remove lets a test come between the sweep's looking and its taking.
var Remove = (*Sweeper).remove

// NewGate and its Enter are tested without a database.
var NewGate = newGate

// Enter is enter.
var Enter = (*gate).enter
