//go:build !js

// Package models_test runs the Spin models of this folder: each must hold as it
// stands, and each deliberate mistake in it must be found. The symbolic models
// (*.cpp.pv) are run by hand; see README.md.
package models_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// variant is one run of a model: preprocessor flags and what must come out.
type variant struct {
	name  string
	flags []string
	holds bool
}

func TestMailbox(t *testing.T) {
	run(t, "mailbox.pml", append([]variant{
		{"two_devices", []string{"-DN=2", "-DD=2", "-DFAULTS=2"}, true},
		{"three_messages", []string{"-DN=3", "-DD=1", "-DFAULTS=2"}, true},
	}, mutants("-DFAULTS=1",
		"ACCEPT_BEFORE_DURABLE", "ACCEPT_ON_HANDOVER", "ELIDE_WITHOUT_ACK", "ELIDE_ONE_OF_SET",
		"FORGET_ACK_IN_FLIGHT", "EARLY_OVERTAKES", "WRITERS_RACE", "ABORT_GOES_ON",
		"DELETE_ON_SEND", "CLIENT_ACK_BEFORE_PERSIST", "NO_DEDUP",
		"REACH_ELISION", "REACH_COMMIT")...))
}

func TestVault(t *testing.T) {
	run(t, "vault.pml", append([]variant{
		{"base", []string{"-DCRASHES=3", "-DFORGED=2"}, true},
	}, mutants("-DCRASHES=3",
		"SEND_BEFORE_SAVE", "RATCHET_AFTER_SHOW", "RATCHET_BEFORE_SHOW", "PREKEY_FIRST",
		"PREKEY_AFTER_ACK", "ACK_BEFORE_SAVE", "SAVE_BEFORE_DECRYPT",
		"ADVANCE_BEFORE_DECRYPT", "DROP_REPEAT_UNACKED", "REACH_REPEAT")...))
}

// TestSymbolicVariants is no proof: it holds that each variant of the ProVerif models
// passes the preprocessor, is another text than the base, and is closed.
func TestSymbolicVariants(t *testing.T) {
	t.Parallel()
	needTool(t, "cpp")
	for model, variants := range map[string][]string{
		"invite_devices.cpp.pv": {"NOFRAGMENT", "UNSIGNEDDEV", "NOROLE", "LEAKLINK"},
		"pqxdh_devices.cpp.pv": {"NOONETIME", "HARVEST", "NOFRAGMENT", "UNSIGNEDDEV", "NOTAGS",
			"NOREVERSE", "NOPREV", "NOHEADS", "HARVEST NOKEM", "HARVEST UNSIGNEDKEM", "REACH"},
	} {
		seen := map[string]string{preprocessed(t, model, ""): "the base"}
		for _, v := range variants {
			text := preprocessed(t, model, v)
			if other, ok := seen[text]; ok {
				t.Errorf("%s: %s is the same text as %s", model, v, other)
			}
			seen[text] = v
			if strings.Count(text, "(") != strings.Count(text, ")") {
				t.Errorf("%s: %s has unequal parentheses", model, v)
			}
		}
	}
}

func preprocessed(t *testing.T, model, flags string) string {
	t.Helper()
	args := []string{"-P", "-Werror"}
	for flag := range strings.FieldsSeq(flags) {
		args = append(args, "-D"+flag)
	}
	return command(t, ".", "cpp", append(args, model)...)
}

func mutants(bound string, names ...string) []variant {
	out := make([]variant, 0, len(names))
	for _, name := range names {
		out = append(out, variant{name, []string{bound, "-D" + name}, false})
	}
	return out
}

func run(t *testing.T, model string, variants []variant) {
	t.Parallel()
	needTool(t, "spin")
	needTool(t, "gcc")
	source, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs(model)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			for _, flag := range v.flags {
				// A macro that the model does not know would leave the base running.
				name, _, _ := strings.Cut(strings.TrimPrefix(flag, "-D"), "=")
				if !strings.Contains(string(source), name) {
					t.Fatalf("%s does not mention %s", model, name)
				}
			}
			verify(t, file, v)
		})
	}
}

// verify searches every state of the variant. Spin's exit code says nothing of
// the verdict, so the report is read: a search that was cut short proves nothing.
func verify(t *testing.T, file string, v variant) {
	dir := t.TempDir()
	command(t, dir, "spin", append(append([]string{"-a"}, v.flags...), file)...)
	optimise := "-O1" // a mutant fails within few states: compile quickly
	if v.holds {
		optimise = "-O2"
	}
	command(t, dir, "gcc", optimise, "-w", "-DSAFETY", "-o", "pan", "pan.c")
	report := command(t, dir, "./pan", "-m1000000", "-w22")
	for _, bad := range []string{"max search depth too small", "out of memory", "Search not completed"} {
		if v.holds && strings.Contains(report, bad) {
			t.Fatalf("search incomplete:\n%s", report)
		}
	}
	clean, dirty := strings.Contains(report, "errors: 0"), strings.Contains(report, "errors: 1")
	if clean == dirty {
		t.Fatalf("no verdict:\n%s", report)
	}
	if clean != v.holds {
		t.Fatalf("%s: holds = %v, want %v\n%s", strings.Join(v.flags, " "), clean, v.holds, report)
	}
	if !v.holds && !strings.Contains(report, "assertion violated") {
		t.Fatalf("the mutant failed, but by no assertion of the model:\n%s", report)
	}
	t.Log(firstLine(report, "errors:"), firstLine(report, "states, stored"))
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	if name == "spin" && strings.Contains(string(out), "Error:") {
		t.Fatalf("spin: %s", out)
	}
	return string(out)
}

func firstLine(report, containing string) string {
	for line := range strings.Lines(report) {
		if strings.Contains(line, containing) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// needTool skips on a laptop without the tool and fails in CI, where it must be there.
func needTool(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and CI=true", tool)
	}
	t.Skipf("%s is not installed (Debian: apt-get install spin gcc)", tool)
}
