// Package native joins a client to its server on machines with sockets of their
// own: frames over a WebSocket, media and the few calls of a sign-in over HTTP. It
// holds no keys, reads no message and knows no vault; a browser does the same by
// its own means, and nothing of this package is in the browser build.
// docs/protocol.md section 13.3 rules the connection.
package native
