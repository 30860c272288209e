/* Credentials: what needs OpenSSL's types, or a passphrase that must not linger. */
#include "shim.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* OpenSSL asks on the thread that reads the key, and the caller's buffer outlives the read. */
static __thread const char *passphrase_now;
static __thread size_t passphrase_length;

static int give_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void) writing;
    (void) arg;
    if (!passphrase_now || passphrase_length > (size_t) size)
    {
        return -1;
    }
    memcpy(buffer, passphrase_now, passphrase_length);
    return (int) passphrase_length;
}

globus_result_t cog_cred_read_key(
    globus_gsi_cred_handle_t handle, const char *file, const char *passphrase, size_t length)
{
    globus_result_t result;

    passphrase_now = passphrase;
    passphrase_length = length;
    /* the header declares the callback without its arguments */
    result = globus_gsi_cred_read_key(handle, file, (int (*)()) give_passphrase);
    passphrase_now = NULL;
    passphrase_length = 0;
    return result;
}

/* Whether it has gone well; what has not is forgotten. */
static int went_well(globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
    return result == GLOBUS_SUCCESS;
}

static int64_t seconds_of(const ASN1_TIME *when)
{
    struct tm broken;

    return when && ASN1_TIME_to_tm(when, &broken) ? (int64_t) timegm(&broken) : 0;
}

int cog_cred_get_details(globus_gsi_cred_handle_t handle, cog_cred_details *details)
{
    X509 *certificate = NULL;
    STACK_OF(X509) *chain = NULL;
    PROXY_CERT_INFO_EXTENSION *info;
    EVP_PKEY *key, *own = NULL;

    memset(details, 0, sizeof *details);
    details->path_length = -1;
    details->key_belongs = -1;
    if (!went_well(globus_gsi_cred_get_cert(handle, &certificate)) || !certificate)
    {
        return 0;
    }
    details->not_before = seconds_of(X509_get0_notBefore(certificate));
    details->not_after = seconds_of(X509_get0_notAfter(certificate));
    key = X509_get0_pubkey(certificate);
    if (key)
    {
        const char *name = OBJ_nid2sn(EVP_PKEY_get_base_id(key));
        if (!strcmp(name, "rsaEncryption"))
        {
            name = "RSA";
        }
        else if (!strcmp(name, "id-ecPublicKey"))
        {
            name = "EC";
        }
        strncpy(details->key_type, name, sizeof details->key_type - 1);
    }
    strncpy(details->signature, OBJ_nid2ln(X509_get_signature_nid(certificate)),
            sizeof details->signature - 1);
    if (went_well(globus_gsi_cred_get_key(handle, &own)) && own)
    {
        details->key_belongs = X509_check_private_key(certificate, own) == 1;
        EVP_PKEY_free(own);
    }
    info = X509_get_ext_d2i(certificate, NID_proxyCertInfo, NULL, NULL);
    if (info)
    {
        if (info->pcPathLengthConstraint)
        {
            details->path_length = ASN1_INTEGER_get(info->pcPathLengthConstraint);
        }
        OBJ_obj2txt(details->policy_language, sizeof details->policy_language,
                    info->proxyPolicy->policyLanguage, 1);
        PROXY_CERT_INFO_EXTENSION_free(info);
    }
    if (went_well(globus_gsi_cred_get_cert_chain(handle, &chain)) && chain)
    {
        details->chain_length = sk_X509_num(chain);
        sk_X509_pop_free(chain, X509_free);
    }
    X509_free(certificate);
    ERR_clear_error();
    return 1;
}

static globus_result_t take_over(
    globus_gsi_cred_handle_t handle, X509 *certificate, EVP_PKEY *key, STACK_OF(X509) *others)
{
    globus_result_t result = globus_gsi_cred_set_cert(handle, certificate);

    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_cred_set_key(handle, key);
    }
    if (result == GLOBUS_SUCCESS && others && sk_X509_num(others) > 0)
    {
        result = globus_gsi_cred_set_cert_chain(handle, others);
    }
    return result;
}

/* GCT has a reader of its own, which asks for the passphrase on the terminal itself. */
int cog_cred_read_pkcs12(
    globus_gsi_cred_handle_t handle, const unsigned char *data, size_t length,
    const char *passphrase)
{
    PKCS12 *file = d2i_PKCS12(NULL, &data, (long) length);
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    STACK_OF(X509) *others = NULL;
    int status;

    if (!file)
    {
        status = COG_PKCS12_OTHER;
    }
    else if (!PKCS12_parse(file, passphrase, &key, &certificate, &others))
    {
        unsigned long error = ERR_peek_last_error();
        status = ERR_GET_LIB(error) == ERR_LIB_PKCS12
            && ERR_GET_REASON(error) == PKCS12_R_MAC_VERIFY_FAILURE
            ? COG_PKCS12_WRONG_PASSPHRASE : COG_PKCS12_UNSUPPORTED;
    }
    else if (!certificate || !key)
    {
        status = COG_PKCS12_INCOMPLETE;
    }
    else
    {
        status = went_well(take_over(handle, certificate, key, others)) ? COG_PKCS12_READ
                                                                        : COG_PKCS12_UNSUPPORTED;
    }
    PKCS12_free(file);
    EVP_PKEY_free(key);
    X509_free(certificate);
    sk_X509_pop_free(others, X509_free);
    ERR_clear_error();
    return status;
}

static const char *refusal(SSL_CTX *context, globus_gsi_cred_handle_t handle, int *place)
{
    X509 *certificate = NULL;
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *key = NULL;
    int i, taken;

    *place = 0;
    taken = went_well(globus_gsi_cred_get_cert(handle, &certificate)) && certificate
        && SSL_CTX_use_certificate(context, certificate) == 1;
    if (taken && went_well(globus_gsi_cred_get_cert_chain(handle, &chain)) && chain)
    {
        for (i = 0; i < sk_X509_num(chain) && taken; i++)
        {
            *place = i + 1;
            taken = (int) SSL_CTX_add1_chain_cert(context, sk_X509_value(chain, i));
        }
    }
    if (taken && went_well(globus_gsi_cred_get_key(handle, &key)) && key)
    {
        *place = -1;
        taken = SSL_CTX_use_PrivateKey(context, key);
    }
    X509_free(certificate);
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    return taken == 1 ? NULL : ERR_reason_error_string(ERR_peek_last_error());
}

const char *cog_cred_tls_refusal(globus_gsi_cred_handle_t handle, int *place)
{
    SSL_CTX *context;
    const char *reason;

    ERR_clear_error();
    context = SSL_CTX_new(TLS_method());
    if (!context)
    {
        return NULL;
    }
    reason = refusal(context, handle, place);
    SSL_CTX_free(context);
    ERR_clear_error();
    return reason;
}

OM_uint32 cog_cred_to_gss(
    globus_gsi_cred_handle_t handle, OM_uint32 *minor, gss_cred_id_t *credential)
{
    BIO *memory = BIO_new(BIO_s_secmem());
    OM_uint32 major = GSS_S_FAILURE;
    gss_buffer_desc buffer = GSS_C_EMPTY_BUFFER;
    char *data = NULL;
    globus_result_t result;

    *minor = 0;
    if (cog_cred_holds(handle) != 3)
    {
        /* GSI would look for the name of whoever is behind it, and crash */
        BIO_free(memory);
        return GSS_S_DEFECTIVE_CREDENTIAL;
    }
    result = memory ? globus_gsi_cred_write(handle, memory) : (globus_result_t) GLOBUS_FAILURE;
    if (result == GLOBUS_SUCCESS)
    {
        buffer.length = (size_t) BIO_get_mem_data(memory, &data);
        buffer.value = data;
        /* option 0: the buffer holds the credential itself, not the name of a file */
        major = gss_import_cred(minor, credential, GSS_C_NO_OID, 0, &buffer, 0, NULL);
        OPENSSL_cleanse(data, buffer.length);
    }
    else
    {
        *minor = (OM_uint32) result;
    }
    BIO_free(memory);
    return major;
}

int cog_cred_write_fd(globus_gsi_cred_handle_t handle, int fd)
{
    BIO *file = BIO_new_fd(fd, BIO_NOCLOSE);
    int written = 0;

    if (file)
    {
        globus_result_t result = globus_gsi_cred_write(handle, file);
        written = result == GLOBUS_SUCCESS;
        if (!written)
        {
            globus_object_free(globus_error_get(result));
        }
    }
    BIO_free(file);
    return written;
}

globus_result_t cog_cred_verify(globus_gsi_cred_handle_t handle, char *certificate_directory)
{
    globus_gsi_callback_data_t data = NULL;
    globus_result_t result = globus_gsi_callback_data_init(&data);

    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_callback_set_cert_dir(data, certificate_directory);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_cred_verify_cert_chain(handle, data);
    }
    globus_gsi_callback_data_destroy(data);
    return result;
}

char *cog_cred_certificates(globus_gsi_cred_handle_t handle)
{
    X509 *certificate = NULL;
    STACK_OF(X509) *chain = NULL;
    BIO *memory = BIO_new(BIO_s_mem());
    char *data, *text = NULL;
    long length;
    int i;

    if (memory && globus_gsi_cred_get_cert(handle, &certificate) == GLOBUS_SUCCESS && certificate)
    {
        PEM_write_bio_X509(memory, certificate);
        X509_free(certificate);
        if (globus_gsi_cred_get_cert_chain(handle, &chain) == GLOBUS_SUCCESS && chain)
        {
            for (i = 0; i < sk_X509_num(chain); i++)
            {
                PEM_write_bio_X509(memory, sk_X509_value(chain, i));
            }
            sk_X509_pop_free(chain, X509_free);
        }
        length = BIO_get_mem_data(memory, &data);
        text = strndup(data, (size_t) length);
    }
    BIO_free(memory);
    return text;
}

globus_result_t cog_proxy_set_policy(
    globus_gsi_proxy_handle_t handle, const char *oid, const unsigned char *policy, int length)
{
    int nid = OBJ_txt2nid(oid);

    if (nid == NID_undef)
    {
        nid = OBJ_create(oid, oid, oid);
    }
    return globus_gsi_proxy_handle_set_policy(handle, policy, length, nid);
}
