// Package interop holds no code, only the test that plays our side of the
// protocol against Signal's own library, live: a peer process that speaks JSON
// lines over its stdin and stdout (testdata/peer/README.md). What the other
// packages prove with recorded transcripts, this one proves with a counterpart that
// answers: both sides starting, both at once, loss, reordering, duplicates and
// late messages over many sessions and SPQR epochs, in builds that demand SPQR,
// negotiate it or lack it.
//
// It runs under the option that the product never sets, Kyber-1024 in the place
// of ML-KEM-1024 (docs/divergences.md); every other byte is the product's.
// docs/protocol.md sections 8 to 12 rule it.
package interop
