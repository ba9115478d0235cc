// Copyright (c) 2026, llmops.maas contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	config "github.com/cert-manager/cert-manager/internal/apis/config/cainjector"
	configscheme "github.com/cert-manager/cert-manager/internal/apis/config/cainjector/scheme"
	"github.com/cert-manager/cert-manager/internal/apis/config/cainjector/validation"
	"github.com/cert-manager/cert-manager/internal/kube"
	configv1alpha1 "github.com/cert-manager/cert-manager/pkg/apis/config/cainjector/v1alpha1"
	cmscheme "github.com/cert-manager/cert-manager/pkg/client/clientset/versioned/scheme"
	"github.com/cert-manager/cert-manager/pkg/controller/cainjector"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/util"
)

const certificates = "certificates.cert-manager.io"

func cainjectorSettings(flags *pflag.FlagSet) (settings, error) {
	scheme, _, err := configscheme.NewSchemeAndCodecs()
	if err != nil {
		return settings{}, err
	}
	defaults, conf := &configv1alpha1.CAInjectorConfiguration{}, &config.CAInjectorConfiguration{}
	if err := defaulted(scheme, defaults, conf); err != nil {
		return settings{}, err
	}
	commonFlags(flags, &conf.KubeConfig, &conf.Namespace, &conf.MetricsListenAddress, &conf.FeatureGates)
	leaderFlags(flags, &conf.LeaderElectionConfig)
	logf.AddFlags(&conf.Logging, flags)
	return settings{
		features: &conf.FeatureGates,
		logging:  &conf.Logging,
		validate: func() field.ErrorList { return validation.ValidateCAInjectorConfiguration(conf, nil) },
		run:      func(ctx context.Context) error { return runCainjector(ctx, conf) },
	}, nil
}

func runCainjector(ctx context.Context, conf *config.CAInjectorConfiguration) error {
	rest, err := kube.BuildClientConfig("", conf.KubeConfig)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientscheme.AddToScheme, cmscheme.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	manager, err := ctrl.NewManager(util.RestConfigWithUserAgent(rest, "cainjector"), managerOptions(conf, scheme))
	if err != nil {
		return err
	}
	// Without its CRD the manager could not watch Certificates, and would end.
	if err := waitForCertificates(ctx, manager); err != nil {
		return fmt.Errorf("the CustomResourceDefinition %s is not there: %w", certificates, err)
	}
	targets := conf.EnableInjectableConfig
	err = cainjector.RegisterAllInjectors(ctx, manager, cainjector.SetupOptions{
		Namespace:                    conf.Namespace,
		EnableCertificatesDataSource: conf.EnableDataSourceConfig.Certificates,
		EnabledReconcilersFor: map[string]bool{
			cainjector.MutatingWebhookConfigurationName:   targets.MutatingWebhookConfigurations,
			cainjector.ValidatingWebhookConfigurationName: targets.ValidatingWebhookConfigurations,
			cainjector.APIServiceName:                     targets.APIServices,
			cainjector.CustomResourceDefinitionName:       targets.CustomResourceDefinitions,
		},
	})
	if err != nil {
		return err
	}
	return manager.Start(ctx)
}

func managerOptions(conf *config.CAInjectorConfiguration, scheme *runtime.Scheme) ctrl.Options {
	leader := &conf.LeaderElectionConfig
	seen := cache.Options{ReaderFailOnMissingInformer: true}
	if conf.Namespace != "" {
		seen.DefaultNamespaces = map[string]cache.Config{conf.Namespace: {}}
	}
	return ctrl.Options{
		Scheme: scheme,
		Cache:  seen,
		// Of Secrets only metadata is watched; their content is read when it is needed.
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
		Metrics:                       metricsserver.Options{BindAddress: conf.MetricsListenAddress},
		LeaderElection:                leader.Enabled,
		LeaderElectionNamespace:       leader.Namespace,
		LeaderElectionID:              "cert-manager-cainjector-leader-election",
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &leader.LeaseDuration,
		RenewDeadline:                 &leader.RenewDeadline,
		RetryPeriod:                   &leader.RetryPeriod,
	}
}

func waitForCertificates(ctx context.Context, manager ctrl.Manager) error {
	direct, err := client.New(manager.GetConfig(), client.Options{Scheme: manager.GetScheme()})
	if err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, time.Second, 5*time.Minute, true, func(ctx context.Context) (bool, error) {
		err := direct.Get(ctx, types.NamespacedName{Name: certificates}, &apiextensions.CustomResourceDefinition{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}
