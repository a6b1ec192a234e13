// Pod networking of a test cluster's node: one CNI configuration for the node's pod range, a route to every other node's
// range through that node's address, and masquerading for what leaves the pod network. It enforces no NetworkPolicy.
//
// It asks the API server for the nodes again and again, so that a node that comes back with another address is reached.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	account = "/var/run/secrets/kubernetes.io/serviceaccount"
	host    = "/host"
	conf    = "/etc/cni/net.d/10-pod-network.conflist"
	every   = 3 * time.Second
)

type nodeList struct {
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			PodCIDR string `json:"podCIDR"`
		} `json:"spec"`
		Status struct {
			Addresses []struct {
				Type    string `json:"type"`
				Address string `json:"address"`
			} `json:"addresses"`
		} `json:"status"`
	} `json:"items"`
}

func main() {
	self, subnet := os.Getenv("NODE_NAME"), os.Getenv("POD_SUBNET")
	server := os.Getenv("CONTROL_PLANE_ENDPOINT")
	if server == "" {
		server = net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	}
	if self == "" || subnet == "" {
		log.Fatal("NODE_NAME and POD_SUBNET must be set")
	}
	for last := ""; ; time.Sleep(every) {
		// A failure is printed once, not every three seconds: the API server may be away for long.
		message := ""
		if err := reconcile(self, subnet, server); err != nil {
			message = err.Error()
		}
		if message != last {
			log.Printf("state: %q", message)
		}
		last = message
	}
}

func reconcile(self, subnet, server string) error {
	nodes, err := list(server)
	if err != nil {
		return err
	}
	if err := masquerade(subnet); err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if node.Spec.PodCIDR == "" {
			continue
		}
		if node.Metadata.Name == self {
			if err := writeConf(node.Spec.PodCIDR); err != nil {
				return err
			}
			continue
		}
		for _, address := range node.Status.Addresses {
			if address.Type != "InternalIP" {
				continue
			}
			if err := run("ip", "route", "replace", node.Spec.PodCIDR, "via", address.Address); err != nil {
				return err
			}
		}
	}
	return nil
}

func list(server string) (nodeList, error) {
	var nodes nodeList
	token, err := os.ReadFile(filepath.Join(account, "token"))
	if err != nil {
		return nodes, err
	}
	ca, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nodes, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	request, err := http.NewRequest(http.MethodGet, "https://"+server+"/api/v1/nodes?resourceVersion=0", nil)
	if err != nil {
		return nodes, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return nodes, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nodes, fmt.Errorf("GET nodes: %s", response.Status)
	}
	return nodes, json.NewDecoder(response.Body).Decode(&nodes)
}

// writeConf writes the node's CNI configuration when it changed; the runtime reads it as soon as it appears.
func writeConf(podCIDR string) error {
	plugins := []any{
		map[string]any{
			"type": "ptp",
			"ipam": map[string]any{
				"type": "host-local",
				// /run is empty after a restart of the node, and so are its pods.
				"dataDir": "/run/cni-ipam-state",
				"ranges":  []any{[]any{map[string]any{"subnet": podCIDR}}},
				"routes":  []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		},
		map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}},
	}
	content, err := json.MarshalIndent(map[string]any{"cniVersion": "0.3.1", "name": "pod-network", "plugins": plugins}, "", "  ")
	if err != nil {
		return err
	}
	path := host + conf
	if current, err := os.ReadFile(path); err == nil && string(current) == string(content) {
		return nil
	}
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func masquerade(subnet string) error {
	rule := []string{"POSTROUTING", "-s", subnet, "!", "-d", subnet, "-m", "comment", "--comment", "pod-network", "-j", "MASQUERADE"}
	if run("iptables", append([]string{"-w", "-t", "nat", "-C"}, rule...)...) == nil {
		return nil
	}
	return run("iptables", append([]string{"-w", "-t", "nat", "-A"}, rule...)...)
}

// run executes a program of the node's own file system.
func run(name string, args ...string) error {
	path := "/usr/sbin/" + name
	command := &exec.Cmd{Path: path, Args: append([]string{name}, args...), Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: host}
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
