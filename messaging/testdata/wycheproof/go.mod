// A module of its own: the vectors weigh 100 MB and are needed by tests alone.
module github.com/sottochat/sotto/messaging/testdata/wycheproof

go 1.26.4

require (
	github.com/c2sp/wycheproof v0.0.0-20260902155932-3fa63dd0344a
	github.com/cloudflare/circl v1.6.5
	github.com/sottochat/sotto v0.0.0
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/sottochat/sotto => ../../..
