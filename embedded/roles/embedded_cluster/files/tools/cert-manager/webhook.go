// Copyright (c) 2026, llmops.maas contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cert-manager/cert-manager/internal/apis/config/webhook/validation"
	cmwebhook "github.com/cert-manager/cert-manager/internal/webhook"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"
)

func webhookSettings(flags *pflag.FlagSet) (settings, error) {
	config, err := options.NewWebhookConfiguration()
	if err != nil {
		return settings{}, err
	}
	options.AddConfigFlags(flags, config)
	return settings{
		features: &config.FeatureGates,
		logging:  &config.Logging,
		validate: func() field.ErrorList { return validation.ValidateWebhookConfiguration(config, nil) },
		run: func(ctx context.Context) error {
			server, err := cmwebhook.NewCertManagerWebhookServer(logf.FromContext(ctx), *config)
			if err != nil {
				return err
			}
			return server.Run(ctx)
		},
	}, nil
}
