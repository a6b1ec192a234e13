// Command istio-analyze judges Kubernetes objects from files with Istio's own analyzers, as `istioctl analyze` does without a
// cluster. It prints one message a line, and ends with 1 where one of them is an error or a warning.
package main

import (
	"fmt"
	"os"

	"istio.io/istio/pkg/config/analysis/analyzers"
	"istio.io/istio/pkg/config/analysis/diag"
	"istio.io/istio/pkg/config/analysis/local"
	"istio.io/istio/pkg/log"
)

func main() {
	options := log.DefaultOptions()
	options.OutputPaths = []string{"stderr"}
	if err := log.Configure(options); err != nil {
		fail(err)
	}
	// No namespace of its own: messages about every namespace count.
	analyzer := local.NewIstiodAnalyzer(analyzers.AllCombined(), "", "istio-system", nil)
	if err := analyzer.AddDefaultResources(); err != nil {
		fail(err)
	}
	var readers []local.ReaderSource
	for _, name := range os.Args[1:] {
		file, err := os.Open(name)
		if err != nil {
			fail(err)
		}
		defer file.Close()
		readers = append(readers, local.ReaderSource{Name: name, Reader: file})
	}
	// All that the files say, also what the other source leaves to a cluster.
	if err := analyzer.AddTestReaderKubeSource(readers); err != nil {
		fail(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	result, err := analyzer.Analyze(stop)
	if err != nil {
		fail(err)
	}
	bad := false
	for _, message := range result.Messages {
		fmt.Println(message.String())
		bad = bad || message.Type.Level().IsWorseThanOrEqualTo(diag.Warning)
	}
	if bad {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
