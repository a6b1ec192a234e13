package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const table = "ip network_policy"

// direction tells a policy's two halves apart by the packet fields that they look at.
type direction struct {
	kind networkingv1.PolicyType
	// subject is the address of the pod that the policy is about, peer the one at the other end.
	subject, peer string
}

var (
	ingress = direction{networkingv1.PolicyTypeIngress, "ip daddr", "ip saddr"}
	egress  = direction{networkingv1.PolicyTypeEgress, "ip saddr", "ip daddr"}
)

// rule is one entry of a policy's ingress or egress list: both have the same shape.
type rule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

// compiler collects the sets, chains and maps of one table.
type compiler struct {
	state State
	// pods are those that can be subject or peer, in a fixed order: the same state makes the same text.
	pods  []*corev1.Pod
	sets  []string
	chain []string
}

// Ruleset makes the nft script that enforces a state's policies on its node. Applied, it replaces the whole table.
//
// The rules look at packets after the address translation of Services, as a policy is about pods' addresses. A node always
// reaches its own pods (the kubelet's probes), as the API demands; a pod reaches its node where its policies let it.
func Ruleset(state State) string {
	c := &compiler{state: state, pods: usablePods(state.Pods)}
	slices.SortFunc(c.state.Policies, func(a, b *networkingv1.NetworkPolicy) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	var local, self []string
	for _, pod := range c.localPods() {
		local = append(local, pod.Status.PodIP)
		self = append(self, pod.Status.PodIP+" . "+pod.Status.PodIP)
	}
	known := c.set("ipv4_addr", local)
	itself := c.set("ipv4_addr . ipv4_addr", self)
	out, in := c.verdicts(egress), c.verdicts(ingress)
	forward := []string{
		"type filter hook forward priority filter - 5; policy accept;",
		"ct state established,related accept",
		// A pod always reaches itself, also through a Service.
		"ip saddr . ip daddr @" + itself + " accept",
		// A pod starts a moment before its address is known here. Until then only its name lookups pass; a connection that
		// waits is tried again by the kernel after a second.
		fmt.Sprintf("ip saddr %s ip saddr != @%s meta l4proto { tcp, udp } th dport != 53 drop", c.state.PodCIDR, known),
		fmt.Sprintf("ip daddr %s ip daddr != @%s drop", c.state.PodCIDR, known),
	}
	forward = append(forward, dispatch("ip saddr", out)...)
	forward = append(forward, dispatch("ip daddr", in)...)
	c.chain = append(c.chain, block("chain forward", forward))
	toNode := append([]string{
		"type filter hook input priority filter - 5; policy accept;",
		"ct state established,related accept",
	}, dispatch("ip saddr", out)...)
	c.chain = append(c.chain, block("chain input", toNode))
	// Added first, so that the deletion succeeds where there is none yet.
	return fmt.Sprintf("add table %s\ndelete table %s\n%s", table, table, block("table "+table, append(c.sets, c.chain...)))
}

func dispatch(field string, verdicts []string) []string {
	if len(verdicts) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s vmap { %s }", field, strings.Join(verdicts, ", "))}
}

func block(head string, lines []string) string {
	body := strings.ReplaceAll(strings.Join(lines, "\n"), "\n", "\n\t")
	return head + " {\n\t" + body + "\n}"
}

// usablePods are those with an address of their own: a pod that ended may have passed its address on already.
func usablePods(pods []*corev1.Pod) []*corev1.Pod {
	usable := slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		address, err := netip.ParseAddr(pod.Status.PodIP)
		return ended || pod.Spec.HostNetwork || err != nil || !address.Is4()
	})
	slices.SortFunc(usable, func(a, b *corev1.Pod) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return usable
}

func (c *compiler) localPods() []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(c.pods), func(pod *corev1.Pod) bool { return pod.Spec.NodeName != c.state.Node })
}

// verdicts makes one chain for each group of local pods with the same policies, and the map entries that lead there.
func (c *compiler) verdicts(way direction) []string {
	chains := map[string]string{}
	var entries []string
	for _, pod := range c.localPods() {
		policies := c.policiesOf(pod, way.kind)
		if len(policies) == 0 {
			continue
		}
		var names []string
		for _, policy := range policies {
			names = append(names, policy.Namespace+"/"+policy.Name)
		}
		key := strings.Join(names, " ")
		if chains[key] == "" {
			chains[key] = fmt.Sprintf("%s_%d", strings.ToLower(string(way.kind)), len(chains)+1)
			c.addChain(chains[key], policies, way)
		}
		entries = append(entries, pod.Status.PodIP+" : jump "+chains[key])
	}
	slices.Sort(entries)
	// Two pods can have one address for a moment, when an ending one's is given away; nft refuses a key twice.
	return slices.CompactFunc(entries, func(a, b string) bool { return address(a) == address(b) })
}

func address(entry string) string {
	first, _, _ := strings.Cut(entry, " ")
	return first
}

// policiesOf lists the policies that select a pod for one direction.
func (c *compiler) policiesOf(pod *corev1.Pod, kind networkingv1.PolicyType) []*networkingv1.NetworkPolicy {
	return slices.DeleteFunc(slices.Clone(c.state.Policies), func(policy *networkingv1.NetworkPolicy) bool {
		selected := policy.Namespace == pod.Namespace && matches(&policy.Spec.PodSelector, pod.Labels)
		return !selected || !slices.Contains(policyTypes(policy), kind)
	})
}

// policyTypes are the directions a policy restricts: without its own list always ingress, and egress if it has such rules.
func policyTypes(policy *networkingv1.NetworkPolicy) []networkingv1.PolicyType {
	if len(policy.Spec.PolicyTypes) > 0 {
		return policy.Spec.PolicyTypes
	}
	if len(policy.Spec.Egress) > 0 {
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
}

// addChain writes what any of the policies allows; what none allows is dropped.
func (c *compiler) addChain(name string, policies []*networkingv1.NetworkPolicy, way direction) {
	var lines []string
	for _, policy := range policies {
		for _, one := range rules(policy, way.kind) {
			for _, match := range c.matches(policy.Namespace, one, way) {
				lines = append(lines, strings.TrimSpace(match+" return"))
			}
		}
	}
	c.chain = append(c.chain, block("chain "+name, append(lines, "drop")))
}

func rules(policy *networkingv1.NetworkPolicy, kind networkingv1.PolicyType) []rule {
	var list []rule
	if kind == networkingv1.PolicyTypeIngress {
		for _, one := range policy.Spec.Ingress {
			list = append(list, rule{one.From, one.Ports})
		}
		return list
	}
	for _, one := range policy.Spec.Egress {
		list = append(list, rule{one.To, one.Ports})
	}
	return list
}

// matches are the conditions of one rule, each a peer together with a port.
func (c *compiler) matches(namespace string, one rule, way direction) []string {
	var result []string
	for _, peer := range c.peerMatches(namespace, one.peers, way) {
		for _, port := range c.portMatches(one.ports) {
			result = append(result, strings.TrimSpace(peer+" "+port))
		}
	}
	return result
}

// peerMatches are the conditions on the other end; one empty condition stands for everybody.
func (c *compiler) peerMatches(namespace string, peers []networkingv1.NetworkPolicyPeer, way direction) []string {
	if len(peers) == 0 {
		return []string{""}
	}
	var result, addresses []string
	for _, peer := range peers {
		if peer.IPBlock == nil {
			addresses = append(addresses, c.selected(namespace, peer)...)
		} else if match := blockMatch(peer.IPBlock, way.peer); match != "" {
			result = append(result, match)
		}
	}
	if len(addresses) > 0 {
		result = append(result, way.peer+" @"+c.set("ipv4_addr", addresses))
	}
	return result
}

// selected are the addresses of the pods that a peer's two selectors mean: without a namespace selector those of the
// policy's own namespace, without a pod selector all pods of the namespaces.
func (c *compiler) selected(own string, peer networkingv1.NetworkPolicyPeer) []string {
	var addresses []string
	for _, pod := range c.pods {
		inNamespace := pod.Namespace == own
		if peer.NamespaceSelector != nil {
			inNamespace = matches(peer.NamespaceSelector, c.state.Namespaces[pod.Namespace])
		}
		if inNamespace && (peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels)) {
			addresses = append(addresses, pod.Status.PodIP)
		}
	}
	return addresses
}

// blockMatch is empty for a block of IPv6 addresses: the pods here have none.
func blockMatch(ipBlock *networkingv1.IPBlock, field string) string {
	prefix, err := netip.ParsePrefix(ipBlock.CIDR)
	if err != nil || !prefix.Addr().Is4() {
		return ""
	}
	match := field + " " + prefix.Masked().String()
	if len(ipBlock.Except) == 0 {
		return match
	}
	return fmt.Sprintf("%s %s != { %s }", match, field, strings.Join(disjoint(ipBlock.Except), ", "))
}

// disjoint leaves out prefixes that lie within another one: nft refuses overlapping intervals.
func disjoint(list []string) []string {
	var prefixes []netip.Prefix
	for _, one := range list {
		if prefix, err := netip.ParsePrefix(one); err == nil {
			prefixes = append(prefixes, prefix.Masked())
		}
	}
	slices.SortFunc(prefixes, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var kept []netip.Prefix
	var result []string
	for _, prefix := range prefixes {
		inside := func(outer netip.Prefix) bool { return outer.Contains(prefix.Addr()) }
		if !slices.ContainsFunc(kept, inside) {
			kept = append(kept, prefix)
			result = append(result, prefix.String())
		}
	}
	return result
}

// portMatches are the conditions on the destination port; one empty condition stands for every port and protocol.
func (c *compiler) portMatches(ports []networkingv1.NetworkPolicyPort) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var result []string
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		if match := c.portMatch(strings.ToLower(string(protocol)), port); match != "" {
			result = append(result, match)
		}
	}
	return result
}

func (c *compiler) portMatch(protocol string, port networkingv1.NetworkPolicyPort) string {
	switch {
	case port.Port == nil:
		return "meta l4proto " + protocol
	case port.Port.Type == intstr.String:
		return c.namedPort(protocol, port.Port.StrVal)
	case port.EndPort != nil:
		return fmt.Sprintf("%s dport %d-%d", protocol, port.Port.IntVal, *port.EndPort)
	default:
		return fmt.Sprintf("%s dport %d", protocol, port.Port.IntVal)
	}
}

// namedPort looks a port's name up at the destination pod, in both directions: every pod may give it another number.
func (c *compiler) namedPort(protocol, name string) string {
	var entries []string
	for _, pod := range c.pods {
		for _, container := range slices.Concat(pod.Spec.Containers, sidecars(pod)) {
			for _, port := range container.Ports {
				if port.Name == name && strings.EqualFold(protocolOf(port), protocol) {
					entries = append(entries, fmt.Sprintf("%s . %s . %d", pod.Status.PodIP, protocol, port.ContainerPort))
				}
			}
		}
	}
	if len(entries) == 0 {
		return ""
	}
	return "ip daddr . meta l4proto . th dport @" + c.set("ipv4_addr . inet_proto . inet_service", entries)
}

func sidecars(pod *corev1.Pod) []corev1.Container {
	return slices.DeleteFunc(slices.Clone(pod.Spec.InitContainers), func(container corev1.Container) bool {
		return container.RestartPolicy == nil || *container.RestartPolicy != corev1.ContainerRestartPolicyAlways
	})
}

func protocolOf(port corev1.ContainerPort) string {
	if port.Protocol == "" {
		return string(corev1.ProtocolTCP)
	}
	return string(port.Protocol)
}

// set declares a set and returns its name; sets with the same content are one.
func (c *compiler) set(kind string, elements []string) string {
	slices.Sort(elements)
	elements = slices.Compact(elements)
	lines := []string{"type " + kind}
	if len(elements) > 0 {
		lines = append(lines, "elements = { "+strings.Join(elements, ", ")+" }")
	}
	body := block("", lines)
	for index, existing := range c.sets {
		if strings.HasSuffix(existing, body) {
			return fmt.Sprintf("set_%d", index+1)
		}
	}
	name := fmt.Sprintf("set_%d", len(c.sets)+1)
	c.sets = append(c.sets, "set "+name+body)
	return name
}

// matches takes a selector that cannot be read as one that selects nothing; the API server lets none such in.
func matches(selector *metav1.LabelSelector, set labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}
