// Copyright the kaapana-multimodal authors. SPDX-License-Identifier: Apache-2.0
package io.github.kaapanamultimodal.fhir;

import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.model.HistoryCountModeEnum;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.DatabaseBinaryContentStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.HibernatePropertiesProvider;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirPostgresDialect;
import ca.uhn.fhir.jpa.model.entity.StorageSettings.IndexEnabledEnum;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import com.zaxxer.hikari.HikariDataSource;
import jakarta.persistence.EntityManagerFactory;
import org.hibernate.dialect.Dialect;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

import javax.sql.DataSource;
import java.util.List;
import java.util.Map;

/** Database, entity manager and the JPA server's storage settings. */
@Configuration
@Import({
	JpaR4Config.class,
	HapiJpaConfig.class,
	JpaBatch2Config.class,
	Batch2JobsConfig.class,
	ThreadPoolFactoryConfig.class,
	SubscriptionChannelConfig.class // the in-process queue the batch jobs need; no subscription runs
})
public class StorageConfig {

	/** jdbc:h2:file:/path/db or jdbc:postgresql://...; {@link FhirServer} refuses to start without it. */
	private static final String URL = Env.get("FHIR_DB_URL", "");

	private static boolean isPostgres() {
		return URL.startsWith("jdbc:postgresql:");
	}

	@Bean
	public DataSource dataSource() {
		HikariDataSource pool = new HikariDataSource();
		pool.setJdbcUrl(URL);
		pool.setUsername(Env.get("FHIR_DB_USER", isPostgres() ? "postgres" : "sa"));
		pool.setPassword(Env.get("FHIR_DB_PASSWORD", ""));
		pool.setMaximumPoolSize(Env.number("FHIR_DB_POOL", 20));
		return pool;
	}

	@Bean
	@Primary
	public LocalContainerEntityManagerFactoryBean entityManagerFactory(
			DataSource dataSource,
			ConfigurableListableBeanFactory beans,
			FhirContext context,
			JpaStorageSettings settings) {
		LocalContainerEntityManagerFactoryBean factory =
				HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, context, settings);
		factory.setPersistenceUnitName("fhir");
		factory.setDataSource(dataSource);
		factory.setJpaPropertyMap(Map.of(
				"hibernate.session_factory.statement_inspector", IdsByIndex.class.getName(),
				"hibernate.dialect", dialect().getClass().getName(),
				"hibernate.hbm2ddl.auto", Env.get("FHIR_DB_DDL", "update"),
				"hibernate.jdbc.batch_size", "50",
				"hibernate.order_inserts", "true",
				"hibernate.order_updates", "true",
				"hibernate.cache.use_query_cache", "false",
				"hibernate.cache.use_second_level_cache", "false",
				"hibernate.search.enabled", "false"));
		return factory;
	}

	@Bean
	@Primary
	public JpaTransactionManager transactionManager(EntityManagerFactory factory) {
		return new JpaTransactionManager(factory);
	}

	@Bean
	@Primary
	public HibernatePropertiesProvider hibernatePropertiesProvider() {
		return new HibernatePropertiesProvider() {
			@Override
			public Dialect getDialect() {
				return dialect();
			}
		};
	}

	private static Dialect dialect() {
		return isPostgres() ? new HapiFhirPostgresDialect() : new HapiFhirH2Dialect();
	}

	@Bean
	public JpaStorageSettings storageSettings() {
		JpaStorageSettings s = new JpaStorageSettings();
		// Any id the client assigns, also purely numeric ones; server-made ids are then UUIDs.
		s.setResourceClientIdStrategy(JpaStorageSettings.ClientIdStrategyEnum.ANY);
		s.setResourceServerIdStrategy(JpaStorageSettings.IdStrategyEnum.UUID);
		// Integrity on; a reference to nothing is an error, never a made-up placeholder.
		s.setEnforceReferentialIntegrityOnWrite(Env.flag("FHIR_REFERENTIAL_INTEGRITY", true));
		s.setEnforceReferentialIntegrityOnDelete(Env.flag("FHIR_REFERENTIAL_INTEGRITY", true));
		s.setAutoCreatePlaceholderReferenceTargets(false);
		s.setAllowExternalReferences(true);
		s.setAllowMultipleDelete(true);
		s.setDeleteEnabled(true);
		s.setExpungeEnabled(true);
		s.setDeleteExpungeEnabled(true);
		// Speed.
		s.setIndexMissingFields(IndexEnabledEnum.DISABLED);
		s.setMassIngestionMode(Env.flag("FHIR_MASS_INGESTION", false));
		s.setMatchUrlCacheEnabled(Env.flag("FHIR_MATCH_URL_CACHE", false));
		s.setHibernateSearchIndexFullText(false);
		s.setHibernateSearchIndexSearchParams(false);
		s.setPreExpandValueSets(false);
		s.setEnableTaskPreExpandValueSets(false);
		// A search issued right after a load must see the load.
		s.setReuseCachedSearchResultsForMillis(null);
		// ... and a count of the history, too: by default it is remembered for a minute.
		s.setHistoryCountMode(HistoryCountModeEnum.COUNT_ACCURATE);
		s.setSearchPreFetchThresholds(List.of(2000, 20000, -1));
		return s;
	}

	@Bean
	public PartitionSettings partitionSettings() {
		return new PartitionSettings();
	}

	@Bean
	public SubscriptionSettings subscriptionSettings() {
		return new SubscriptionSettings();
	}

	@Bean
	public IBinaryStorageSvc binaryStorage() {
		return new DatabaseBinaryContentStorageSvcImpl();
	}
}
