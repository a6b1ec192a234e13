package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// watcher holds the cluster's pods, namespaces and policies as the API server last told them.
type watcher struct {
	node       string
	podCIDR    string
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networkinglisters.NetworkPolicyLister
	// One pending signal is enough: the reader takes the whole state.
	changed chan struct{}
}

// watch starts the informers and returns when they have everything once.
func watch(ctx context.Context, client kubernetes.Interface, node string) (*watcher, error) {
	podCIDR, err := waitForPodCIDR(ctx, client, node)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	watched := &watcher{
		node:       node,
		podCIDR:    podCIDR,
		pods:       factory.Core().V1().Pods().Lister(),
		namespaces: factory.Core().V1().Namespaces().Lister(),
		policies:   factory.Networking().V1().NetworkPolicies().Lister(),
		changed:    make(chan struct{}, 1),
	}
	signal := func(any) {
		select {
		case watched.changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: signal, UpdateFunc: func(_, next any) { signal(next) }, DeleteFunc: signal}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Pods().Informer(),
		factory.Core().V1().Namespaces().Informer(),
		factory.Networking().V1().NetworkPolicies().Informer(),
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, err
		}
	}
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil, fmt.Errorf("no answer for %v", kind)
		}
	}
	return watched, nil
}

// waitForPodCIDR reads the node's own pod range; a new node gets it a moment after it joins.
func waitForPodCIDR(ctx context.Context, client kubernetes.Interface, name string) (string, error) {
	for {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err == nil && node.Spec.PodCIDR != "" {
			return node.Spec.PodCIDR, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("node %s has no pod range: %w", name, ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

func (watched *watcher) state() (State, error) {
	state := State{Node: watched.node, PodCIDR: watched.podCIDR}
	var err error
	if state.Pods, err = watched.pods.List(labels.Everything()); err != nil {
		return state, err
	}
	if state.Policies, err = watched.policies.List(labels.Everything()); err != nil {
		return state, err
	}
	namespaces, err := watched.namespaces.List(labels.Everything())
	state.Namespaces = make(map[string]labels.Set, len(namespaces))
	for _, namespace := range namespaces {
		state.Namespaces[namespace.Name] = namespace.Labels
	}
	return state, err
}

// State is what one node's rules are made of.
type State struct {
	// Node is the name of the node that the rules are for.
	Node string
	// PodCIDR is the range of that node's pods.
	PodCIDR    string
	Pods       []*corev1.Pod
	Namespaces map[string]labels.Set
	Policies   []*networkingv1.NetworkPolicy
}
