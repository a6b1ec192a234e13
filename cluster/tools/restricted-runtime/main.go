// A runtime wrapper for hosts whose root lacks CAP_SYS_RESOURCE: it edits what Docker hands to runc, then becomes runc.
//
// Without that capability no rlimit can be raised and no oom_score_adj lowered, so runc refuses every privileged
// container. Taking those three wishes out of the OCI bundle (create, run) or of the process file (exec) is enough.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const missing = "CAP_SYS_RESOURCE"

func main() {
	if err := restrict(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "restricted-runtime: %v\n", err)
		os.Exit(1)
	}
	runc, err := exec.LookPath("runc")
	if err == nil {
		err = syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintf(os.Stderr, "restricted-runtime: runc: %v\n", err)
	os.Exit(1)
}

// restrict edits the JSON file that the command line names, if it names one.
func restrict(args []string) error {
	if bundle := flag(args, "--bundle", "-b"); bundle != "" {
		return edit(filepath.Join(bundle, "config.json"), func(spec map[string]any) {
			if process, ok := spec["process"].(map[string]any); ok {
				restrictProcess(process)
			}
		})
	}
	if process := flag(args, "--process", "-p"); process != "" {
		return edit(process, restrictProcess)
	}
	return nil
}

// flag returns the value of a flag given as "--name value" or "--name=value".
func flag(args []string, names ...string) string {
	for i, arg := range args {
		for _, name := range names {
			if arg == name && i+1 < len(args) {
				return args[i+1]
			}
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				return value
			}
		}
	}
	return ""
}

func restrictProcess(process map[string]any) {
	delete(process, "rlimits")
	if score, ok := process["oomScoreAdj"].(json.Number); ok && strings.HasPrefix(score.String(), "-") {
		delete(process, "oomScoreAdj")
	}
	sets, ok := process["capabilities"].(map[string]any)
	if !ok {
		return
	}
	for name, value := range sets {
		list, ok := value.([]any)
		if !ok {
			continue
		}
		kept := make([]any, 0, len(list))
		for _, capability := range list {
			if capability != missing {
				kept = append(kept, capability)
			}
		}
		sets[name] = kept
	}
}

// edit rewrites a JSON file in place; numbers keep every digit.
func edit(path string, change func(map[string]any)) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	change(document)
	changed, err := json.Marshal(document)
	if err != nil {
		return err
	}
	return os.WriteFile(path, changed, 0o600)
}
