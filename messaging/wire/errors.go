package wire

import "errors"

// Reasons for refusing a frame, found by errors.Is inside messaging.Invalid.
// They say what is wrong with the form and never what the bytes were.
var (
	ErrSize      = errors.New("wire: frame above MaxFrame")
	ErrTruncated = errors.New("wire: a length or number ends outside its message")
	ErrVarint    = errors.New("wire: number of more than 64 bits or not in its shortest form")
	ErrField     = errors.New("wire: field number outside 1..536870911")
	ErrWireType  = errors.New("wire: field of another wire type")
	ErrGroup     = errors.New("wire: group")
	ErrOrder     = errors.New("wire: fields not in ascending order")
	ErrDuplicate = errors.New("wire: field occurs twice")
	ErrDefault   = errors.New("wire: default value written out")
	ErrMissing   = errors.New("wire: required field missing")
	ErrLength    = errors.New("wire: bytes shorter or longer than allowed")
	ErrCount     = errors.New("wire: more elements than allowed")
	ErrRange     = errors.New("wire: number outside its range")
	ErrEnum      = errors.New("wire: unknown value of a closed enum")
	ErrText      = errors.New("wire: text with forbidden characters")
	ErrSorted    = errors.New("wire: elements not strictly ascending")
	ErrRule      = errors.New("wire: fields that do not go together")
	ErrUnknown   = errors.New("wire: too many unknown fields")
	ErrRequest   = errors.New("wire: request number missing or out of place")
)

// ErrUnknownKind reports a well-formed frame whose body is of a kind that this
// version does not know. It is no fault of the sender and not of the class
// messaging.ErrInvalid: a server answers Refused with CodeUnsupported, a client
// goes on.
var ErrUnknownKind = errors.New("wire: frame of an unknown kind")
