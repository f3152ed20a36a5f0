package web

// Route is a route that is served.
type Route struct{ Method, Path string }

// Routes lists what New registered, for tests that walk over all of it.
func (s *Server) Routes() (out []Route) {
	for _, r := range s.echo.Routes() {
		if r.Method != "echo_route_not_found" {
			out = append(out, Route{r.Method, r.Path})
		}
	}
	return out
}

// HasWords reports whether the table of errors has a row of its own for err.
func HasWords(err error) bool {
	for _, r := range rows() {
		if r.err == err {
			return true
		}
	}
	return false
}

// RowNames are the statuses and codes of the table.
func RowNames() (out []struct {
	Status      int
	Code, Words string
}) {
	for _, r := range rows() {
		out = append(out, struct {
			Status      int
			Code, Words string
		}{r.status, r.code, r.words})
	}
	return out
}
