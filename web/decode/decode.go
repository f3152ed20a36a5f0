// Package decode reads a request's JSON more strictly than encoding/json does: a
// name stands once, in exactly the case that is documented, nothing is unknown,
// and nothing follows the object.
package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sottochat/sotto/web/problem"
)

// maxDepth bounds how deep a request nests: an object, a list, a value.
const maxDepth = 4

// Read takes the whole body, which the route's limit bounds, and refuses one
// where none belongs.
func Read(c echo.Context) ([]byte, error) {
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return nil, err
	}
	method := c.Request().Method
	if len(body) > 0 && (method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete) {
		return nil, problem.Field("body", "none", "one")
	}
	return body, nil
}

// jsonType is the one content type of requests.
const jsonType = "application/json"

// Body reads the whole body of a request into a struct of flat fields.
func Body(c echo.Context, into any) error {
	body, err := Read(c)
	if err != nil {
		return err
	}
	return Object(c.Request(), body, into)
}

// Object reads a body that Read returned into a struct of flat fields.
func Object(r *http.Request, body []byte, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != jsonType {
		return echo.ErrUnsupportedMediaType
	}
	if err := checkNames(body, namesOf(into)); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	var mismatch *json.UnmarshalTypeError
	if err := decoder.Decode(into); errors.As(err, &mismatch) {
		return problem.Field(mismatch.Field, "a value of type "+typeName(mismatch.Type), mismatch.Value)
	} else if err != nil {
		return malformed()
	}
	return nil
}

// Nothing refuses a body where a request has nothing to say.
func Nothing(body []byte) error {
	if len(body) > 0 && string(bytes.TrimSpace(body)) != "{}" {
		return problem.Field("body", "none, or an empty object", "something else")
	}
	return nil
}

func malformed() error { return problem.Field("body", "one JSON object", "something else") }

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Slice:
		return "list"
	case reflect.Bool:
		return "boolean"
	default:
		return "string"
	}
}

// namesOf returns the JSON names of a pointer to a struct.
func namesOf(into any) map[string]bool {
	names := map[string]bool{}
	t := reflect.TypeOf(into).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

// checkNames walks the tokens of one object. Values of ours are flat, so names
// occur at the top only.
func checkNames(body []byte, names map[string]bool) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return malformed()
	}
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		name, isName := token.(string)
		switch {
		case err != nil || !isName:
			return malformed()
		case !names[name]:
			return problem.Field(name, "a field of this request", "an unknown one")
		case seen[name]:
			return problem.Field(name, "once", "twice")
		}
		seen[name] = true
		if err := skipValue(decoder); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return malformed()
	}
	if _, err := decoder.Token(); err != io.EOF {
		return malformed()
	}
	return nil
}

func skipValue(decoder *json.Decoder) error {
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			return malformed()
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return malformed()
		}
		if depth == 0 {
			return nil
		}
	}
}
