// Command values-check validates many values against a chart's schema with Helm's own code, of both major versions, in one
// process: one JSON document a line in, one verdict a line out. `helm template` for each would take minutes.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
)

type verdict struct {
	Helm3 bool `json:"helm3"`
	Helm4 bool `json:"helm4"`
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: values-check <values.schema.json> < values.ndjson")
	}
	schema, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var lines [][]byte
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 16<<20)
	for input.Scan() {
		lines = append(lines, append([]byte(nil), input.Bytes()...))
	}
	if err := input.Err(); err != nil {
		log.Fatal(err)
	}
	verdicts := make([]verdict, len(lines))
	next := make(chan int)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for i := range next {
				verdicts[i] = check(lines[i], schema)
			}
		})
	}
	for i := range lines {
		next <- i
	}
	close(next)
	workers.Wait()
	output := json.NewEncoder(os.Stdout)
	for _, one := range verdicts {
		if err := output.Encode(one); err != nil {
			log.Fatal(err)
		}
	}
}

func check(line, schema []byte) verdict {
	var values map[string]any
	if err := json.Unmarshal(line, &values); err != nil {
		log.Fatal(fmt.Errorf("%w in %.200s", err, line))
	}
	return verdict{
		Helm3: chartutil.ValidateAgainstSingleSchema(values, schema) == nil,
		Helm4: util.ValidateAgainstSingleSchema(common.Values(values), schema) == nil,
	}
}
