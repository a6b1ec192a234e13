// Enforces standard NetworkPolicies on one node of a test cluster with nftables.
//
// Test equipment: it stands where a CNI with policy support stands in production, and is no part of the chart.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	// Changes come in bursts: one ruleset for all that arrive within this time.
	debounce = 50 * time.Millisecond
	// Puts the table back if somebody else removed it.
	resync = 30 * time.Second
	// Only the kubelet of the same node asks.
	readiness = "127.0.0.1:19099"
)

func main() {
	node := os.Getenv("NODE_NAME")
	if node == "" {
		log.Fatal("NODE_NAME must be set")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var programmed atomic.Bool
	go serveReadiness(&programmed)
	watched, err := watch(ctx, client, node)
	if err != nil {
		log.Fatal(err)
	}
	run(ctx, watched, &programmed)
}

func serveReadiness(programmed *atomic.Bool) {
	handler := func(response http.ResponseWriter, _ *http.Request) {
		if !programmed.Load() {
			response.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	log.Fatal(http.ListenAndServe(readiness, http.HandlerFunc(handler)))
}

// run programs the node after every change, and again at every resync. The table stays when the agent ends: an agent that
// restarts must not open the node for that time.
func run(ctx context.Context, watched *watcher, programmed *atomic.Bool) {
	timer := time.NewTimer(0)
	last, failure := "", ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-watched.changed:
			timer.Reset(debounce)
			continue
		case <-timer.C:
		}
		timer.Reset(resync)
		state, err := watched.state()
		rules := ""
		if err == nil {
			rules = Ruleset(state)
			err = apply(rules)
		}
		if err != nil {
			// Printed once, tried again soon: a rule set that nft refuses leaves the last good one in force.
			if failure != err.Error() {
				log.Printf("not applied: %v", err)
			}
			failure = err.Error()
			timer.Reset(time.Second)
			continue
		}
		failure = ""
		programmed.Store(true)
		if rules != last {
			log.Printf("applied %d policies, %d pods", len(state.Policies), len(state.Pods))
		}
		last = rules
	}
}
