package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

func pod(namespace, name, address, node string, set labels.Set) *corev1.Pod {
	ports := []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP}}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: set},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Ports: ports}}},
		Status:     corev1.PodStatus{PodIP: address, Phase: corev1.PodRunning},
	}
}

func policy(t *testing.T, name, spec string) *networkingv1.NetworkPolicy {
	t.Helper()
	result := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &result.Spec); err != nil {
		t.Fatal(err)
	}
	return result
}

func state(policies ...*networkingv1.NetworkPolicy) State {
	return State{
		Node:       "one",
		PodCIDR:    "10.0.1.0/24",
		Namespaces: map[string]labels.Set{"shop": {"team": "a"}, "other": {"team": "b"}},
		Policies:   policies,
		Pods: []*corev1.Pod{
			pod("shop", "api", "10.0.1.2", "one", labels.Set{"app": "api"}),
			pod("shop", "web", "10.0.2.2", "two", labels.Set{"app": "web"}),
			pod("other", "web", "10.0.2.3", "two", labels.Set{"app": "web"}),
			pod("other", "db", "10.0.1.3", "one", labels.Set{"app": "db"}),
		},
	}
}

// allowed returns the lines of the first chain of a direction.
func allowed(t *testing.T, rules, chain string) []string {
	t.Helper()
	_, rest, found := strings.Cut(rules, "chain "+chain+" {\n")
	if !found {
		return nil
	}
	body, _, _ := strings.Cut(rest, "\n\t}")
	var lines []string
	for _, line := range strings.Split(body, "\n") {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// resolve puts a set's elements in the place of its name.
func resolve(rules, line string) string {
	for number := 1; number < 20; number++ {
		_, rest, found := strings.Cut(rules, fmt.Sprintf("set set_%d {", number))
		if !found {
			return line
		}
		body, _, _ := strings.Cut(rest, "\n\t}")
		_, elements, _ := strings.Cut(body, "elements = ")
		line = strings.ReplaceAll(line, fmt.Sprintf("@set_%d ", number), strings.TrimSpace(elements)+" ")
	}
	return line
}

func TestRules(t *testing.T) {
	cases := []struct {
		name, spec string
		ingress    []string
		egress     []string
	}{
		{"no policy selects the pod", `{podSelector: {matchLabels: {app: nobody}}}`, nil, nil},
		{"default deny of both", `{podSelector: {}, policyTypes: [Ingress, Egress]}`, []string{"drop"}, []string{"drop"}},
		{"types default to ingress", `{podSelector: {}}`, []string{"drop"}, nil},
		{"types default to both with egress rules", `{podSelector: {}, egress: [{}]}`, []string{"drop"}, []string{"return", "drop"}},
		{"an empty rule allows everything", `{podSelector: {}, ingress: [{}]}`, []string{"return", "drop"}, nil},
		{
			"pods of the own namespace", `{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`,
			[]string{"ip saddr { 10.0.2.2 } return", "drop"}, nil,
		},
		{
			"all pods of namespaces", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]}`,
			[]string{"ip saddr { 10.0.1.3, 10.0.2.3 } return", "drop"}, nil,
		},
		{
			"some pods of namespaces",
			`{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}]}]}`,
			[]string{"ip saddr { 10.0.2.2, 10.0.2.3 } return", "drop"}, nil,
		},
		{
			"two peers are an or",
			`{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}]}]}`,
			[]string{"ip saddr { 10.0.1.3, 10.0.2.2, 10.0.2.3 } return", "drop"}, nil,
		},
		{"a peer that nobody matches", `{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: x}}}]}]}`, []string{"drop"}, nil},
		{
			"an address block with holes",
			`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 10.1.0.0/16, 192.0.2.0/24]}}]}]}`,
			nil, []string{"ip daddr 0.0.0.0/0 ip daddr != { 10.0.0.0/8, 192.0.2.0/24 } return", "drop"},
		},
		{"a block of IPv6 addresses", `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "2001:db8::/32"}}]}]}`, []string{"drop"}, nil},
		{"a port", `{podSelector: {}, ingress: [{ports: [{port: 80}]}]}`, []string{"tcp dport 80 return", "drop"}, nil},
		{"a range of ports", `{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90}]}]}`, []string{"tcp dport 80-90 return", "drop"}, nil},
		{"a protocol", `{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}`, []string{"meta l4proto udp return", "drop"}, nil},
		{
			"a named port", `{podSelector: {}, ingress: [{ports: [{port: http}]}]}`,
			[]string{"ip daddr . meta l4proto . th dport { 10.0.1.2 . tcp . 8080, 10.0.1.3 . tcp . 8080, 10.0.2.2 . tcp . 8080, 10.0.2.3 . tcp . 8080 } return", "drop"},
			nil,
		},
		{"a named port of another protocol", `{podSelector: {}, ingress: [{ports: [{port: dns}]}]}`, []string{"drop"}, nil},
		{
			"peers and ports are an and",
			`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]}`,
			nil, []string{"ip daddr { 10.0.2.2 } udp dport 53 return", "ip daddr { 10.0.2.2 } tcp dport 53 return", "drop"},
		},
	}
	for _, one := range cases {
		t.Run(one.name, func(t *testing.T) {
			rules := Ruleset(state(policy(t, "p", one.spec)))
			for chain, want := range map[string][]string{"ingress_1": one.ingress, "egress_1": one.egress} {
				var got []string
				for _, line := range allowed(t, rules, chain) {
					got = append(got, resolve(rules, line))
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s:\ngot  %q\nwant %q\n%s", chain, got, want, rules)
				}
			}
			check(t, rules)
		})
	}
}

func TestUnionOfPolicies(t *testing.T) {
	deny := policy(t, "deny", `{podSelector: {}}`)
	allow := policy(t, "allow", `{podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: 80}]}]}`)
	rules := Ruleset(state(deny, allow))
	if got := allowed(t, rules, "ingress_1"); fmt.Sprint(got) != "[tcp dport 80 return drop]" {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(rules, "ip daddr vmap { 10.0.1.2 : jump ingress_1 }") {
		t.Errorf("only the local pod of the policies' namespace is restricted:\n%s", rules)
	}
	check(t, rules)
}

// What a pod may reach of its own node is no matter of forwarding.
func TestOwnNode(t *testing.T) {
	rules := Ruleset(state(policy(t, "p", `{podSelector: {}, policyTypes: [Egress]}`)))
	input := allowed(t, rules, "input")
	if last := input[len(input)-1]; last != "ip saddr vmap { 10.0.1.2 : jump egress_1 }" {
		t.Errorf("got %q", input)
	}
	check(t, rules)
}

func TestPodsThatDoNotCount(t *testing.T) {
	one := state(policy(t, "p", `{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`))
	one.Pods[0].Status.Phase = corev1.PodSucceeded
	one.Pods[1].Spec.HostNetwork = true
	one.Pods[2].Status.PodIP = ""
	rules := Ruleset(one)
	for _, address := range []string{"10.0.1.2", "10.0.2.2", "10.0.2.3"} {
		if strings.Contains(rules, address) {
			t.Errorf("%s of a pod that ended, has the host's network or no address is in the rules:\n%s", address, rules)
		}
	}
	check(t, rules)
}

func TestSameStateSameText(t *testing.T) {
	first, second := state(policy(t, "a", `{podSelector: {}}`)), state(policy(t, "a", `{podSelector: {}}`))
	second.Pods[0], second.Pods[3] = second.Pods[3], second.Pods[0]
	if Ruleset(first) != Ruleset(second) {
		t.Error("the order of the pods changed the rules")
	}
}

// One address at two pods happens for a moment, when an ending pod's address is given away.
func TestSharedAddress(t *testing.T) {
	one := state(policy(t, "p", `{podSelector: {}}`), policy(t, "q", `{podSelector: {matchLabels: {app: next}}}`))
	one.Pods = append(one.Pods, pod("shop", "next", "10.0.1.2", "one", labels.Set{"app": "next"}))
	rules := Ruleset(one)
	if strings.Count(rules, "10.0.1.2 : jump") != 1 {
		t.Errorf("nft refuses one key with two verdicts:\n%s", rules)
	}
	check(t, rules)
}

// check lets nft read the rules, in a network namespace of its own so that nothing is programmed. Where nft is not installed
// the conformance test's nodes are the first to read them.
func check(t *testing.T, rules string) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Log("nft is not installed: the rules' text is compared, their syntax is not checked")
		return
	}
	command := exec.Command("unshare", "--net", nft, "--check", "--file", "-")
	if os.Geteuid() != 0 {
		command = exec.Command("unshare", "--user", "--map-root-user", "--net", nft, "--check", "--file", "-")
	}
	command.Stdin = strings.NewReader(rules)
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("nft: %v: %s\n%s", err, output, rules)
	}
}
