/* GSS-API: what needs OpenSSL's types, or memory that must be overwritten. */
#include "shim.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* declared in gssapi_openssl.h, which is not installed */
extern gss_OID_desc *gss_nt_host_ip;

gss_OID cog_gss_nt_host_ip(void)
{
    return gss_nt_host_ip;
}

void cog_gss_release_secret(gss_buffer_t buffer)
{
    OM_uint32 minor;

    if (buffer->value)
    {
        OPENSSL_cleanse(buffer->value, buffer->length);
    }
    gss_release_buffer(&minor, buffer);
}

globus_result_t cog_cred_read_pem(
    const char *pem, size_t length, globus_gsi_cred_handle_t *handle)
{
    BIO *memory = BIO_new_mem_buf(pem, (int) length);
    globus_result_t result =
        memory ? globus_gsi_cred_handle_init(handle, NULL) : (globus_result_t) GLOBUS_FAILURE;

    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_cred_read_proxy_bio(*handle, memory);
        if (result != GLOBUS_SUCCESS)
        {
            globus_gsi_cred_handle_destroy(*handle);
        }
    }
    BIO_free(memory);
    return result;
}

OM_uint32 cog_gss_to_cred(
    gss_cred_id_t credential, OM_uint32 *minor, globus_gsi_cred_handle_t *handle)
{
    gss_buffer_desc buffer = GSS_C_EMPTY_BUFFER;
    OM_uint32 major;
    globus_result_t result;

    /* option 0: the credential itself, not the name of a file */
    major = gss_export_cred(minor, credential, GSS_C_NO_OID, 0, &buffer);
    if (major != GSS_S_COMPLETE)
    {
        return major;
    }
    result = cog_cred_read_pem(buffer.value, buffer.length, handle);
    cog_gss_release_secret(&buffer);
    *minor = (OM_uint32) result;
    return result == GLOBUS_SUCCESS ? GSS_S_COMPLETE : GSS_S_FAILURE;
}

static PROXY_CERT_INFO_EXTENSION *new_info(
    const char *language, const unsigned char *policy, int length, long path_length)
{
    PROXY_CERT_INFO_EXTENSION *info = PROXY_CERT_INFO_EXTENSION_new();
    ASN1_OBJECT *object = OBJ_txt2obj(language, 1);

    if (!info || !object)
    {
        goto failed;
    }
    if (path_length >= 0)
    {
        info->pcPathLengthConstraint = ASN1_INTEGER_new();
        if (!info->pcPathLengthConstraint
            || !ASN1_INTEGER_set(info->pcPathLengthConstraint, path_length))
        {
            goto failed;
        }
    }
    ASN1_OBJECT_free(info->proxyPolicy->policyLanguage);
    info->proxyPolicy->policyLanguage = object;
    object = NULL;
    if (policy)
    {
        if (!info->proxyPolicy->policy)
        {
            info->proxyPolicy->policy = ASN1_OCTET_STRING_new();
        }
        if (!info->proxyPolicy->policy
            || !ASN1_OCTET_STRING_set(info->proxyPolicy->policy, policy, length))
        {
            goto failed;
        }
    }
    return info;

failed:
    ASN1_OBJECT_free(object);
    PROXY_CERT_INFO_EXTENSION_free(info);
    ERR_clear_error();
    return NULL;
}


int cog_cred_holds(globus_gsi_cred_handle_t handle)
{
    X509 *certificate = NULL;
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *key = NULL;
    globus_gsi_cert_utils_cert_type_t type;
    int known = 0, belongs = 0, i;

    if (globus_gsi_cred_get_cert(handle, &certificate) != GLOBUS_SUCCESS || !certificate)
    {
        return 0;
    }
    if (globus_gsi_cred_get_key(handle, &key) == GLOBUS_SUCCESS && key)
    {
        belongs = X509_check_private_key(certificate, key) == 1;
        EVP_PKEY_free(key);
    }
    known = globus_gsi_cert_utils_get_cert_type(certificate, &type) == GLOBUS_SUCCESS
        && !(type & GLOBUS_GSI_CERT_UTILS_TYPE_PROXY_MASK);
    if (!known && globus_gsi_cred_get_cert_chain(handle, &chain) == GLOBUS_SUCCESS && chain)
    {
        for (i = 0; i < sk_X509_num(chain) && !known; i++)
        {
            known = globus_gsi_cert_utils_get_cert_type(sk_X509_value(chain, i), &type)
                    == GLOBUS_SUCCESS
                && !(type & GLOBUS_GSI_CERT_UTILS_TYPE_PROXY_MASK);
        }
        sk_X509_pop_free(chain, X509_free);
    }
    X509_free(certificate);
    ERR_clear_error();
    return belongs | known << 1;
}

/* Moves what is in `memory` into `buffer`. */
static globus_result_t into_buffer(BIO *memory, gss_buffer_t buffer)
{
    char *data;

    buffer->length = (size_t) BIO_get_mem_data(memory, &data);
    buffer->value = malloc(buffer->length);
    if (!buffer->value)
    {
        buffer->length = 0;
        return (globus_result_t) GLOBUS_FAILURE;
    }
    memcpy(buffer->value, data, buffer->length);
    return GLOBUS_SUCCESS;
}

globus_result_t cog_request_new(
    int bits, globus_gsi_proxy_handle_t *handle, gss_buffer_t request)
{
    globus_gsi_proxy_handle_attrs_t attributes = NULL;
    BIO *out = BIO_new(BIO_s_mem());
    globus_result_t result = globus_gsi_proxy_handle_attrs_init(&attributes);

    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_proxy_handle_attrs_set_keybits(attributes, bits);
        if (result == GLOBUS_SUCCESS)
        {
            result = globus_gsi_proxy_handle_init(handle, attributes);
        }
        globus_gsi_proxy_handle_attrs_destroy(attributes);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_proxy_create_req(*handle, out);
        if (result == GLOBUS_SUCCESS)
        {
            result = into_buffer(out, request);
        }
        if (result != GLOBUS_SUCCESS)
        {
            globus_gsi_proxy_handle_destroy(*handle);
        }
    }
    BIO_free(out);
    return result;
}

globus_result_t cog_request_sign(
    globus_gsi_cred_handle_t issuer, const unsigned char *request, size_t length, int limited,
    const char *language, const unsigned char *policy, int policy_length, long path_length,
    int minutes, gss_buffer_t answer)
{
    globus_gsi_proxy_handle_t handle = NULL;
    globus_gsi_cert_utils_cert_type_t type = limited ? GLOBUS_GSI_CERT_UTILS_TYPE_LIMITED_PROXY
        : language ? GLOBUS_GSI_CERT_UTILS_TYPE_RESTRICTED_PROXY
        : GLOBUS_GSI_CERT_UTILS_TYPE_IMPERSONATION_PROXY;
    globus_result_t result = globus_gsi_proxy_handle_init(&handle, NULL);
    BIO *in = BIO_new_mem_buf(request, (int) length);
    BIO *out = BIO_new(BIO_s_mem());
    X509 *certificate = NULL;
    STACK_OF(X509) *chain = NULL;
    PROXY_CERT_INFO_EXTENSION *info = NULL;
    int i;

    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_proxy_inquire_req(handle, in);
    }
    if (result == GLOBUS_SUCCESS && minutes > 0)
    {
        result = globus_gsi_proxy_handle_set_time_valid(handle, minutes);
    }
    if (result == GLOBUS_SUCCESS)
    {
        /* what kind of proxy it is to be is not for the peer to say */
        result = globus_gsi_proxy_handle_clear_cert_info(handle);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_proxy_handle_set_type(handle, type);
    }
    if (result == GLOBUS_SUCCESS && (language || path_length >= 0))
    {
        info = new_info(language ? language : "1.3.6.1.5.5.7.21.1",     /* inherits all rights */
                        policy, policy_length, path_length);
        result = info ? globus_gsi_proxy_handle_set_proxy_cert_info(handle, info)
                      : (globus_result_t) GLOBUS_FAILURE;
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_proxy_sign_req(handle, issuer, out);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_cred_get_cert(issuer, &certificate);
    }
    if (result == GLOBUS_SUCCESS)
    {
        i2d_X509_bio(out, certificate);
        X509_free(certificate);
        result = globus_gsi_cred_get_cert_chain(issuer, &chain);
    }
    if (result == GLOBUS_SUCCESS)
    {
        for (i = 0; i < sk_X509_num(chain); i++)
        {
            i2d_X509_bio(out, sk_X509_value(chain, i));
        }
        sk_X509_pop_free(chain, X509_free);
        result = into_buffer(out, answer);
    }
    BIO_free(in);
    BIO_free(out);
    PROXY_CERT_INFO_EXTENSION_free(info);
    if (handle)
    {
        globus_gsi_proxy_handle_destroy(handle);
    }
    return result;
}

globus_result_t cog_request_assemble(
    globus_gsi_proxy_handle_t handle, const unsigned char *answer, size_t length,
    globus_gsi_cred_handle_t *credential)
{
    BIO *in = BIO_new_mem_buf(answer, (int) length);
    globus_result_t result = globus_gsi_proxy_assemble_cred(handle, credential, in);

    BIO_free(in);
    return result;
}

int cog_register_oid(const char *oid)
{
    int nid = OBJ_txt2nid(oid);

    if (nid == NID_undef)
    {
        nid = OBJ_create(oid, oid, oid);
        ERR_clear_error();
    }
    return nid;
}

const char *cog_gss_alert(gss_ctx_id_t context, gss_buffer_t token)
{
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    unsigned long error;

    /* what is unwrapped, an alert has none of; it is not ours to free after an error */
    if (gss_unwrap(&minor, context, token, &out, NULL, NULL) != GSS_S_COMPLETE)
    {
        globus_object_free(globus_error_get((globus_result_t) minor));
    }
    else
    {
        gss_release_buffer(&minor, &out);
    }
    error = ERR_peek_last_error();
    ERR_clear_error();
    return error ? ERR_reason_error_string(error) : NULL;
}

int cog_certificate_key_bits(const unsigned char *der, size_t length)
{
    X509 *certificate = d2i_X509(NULL, &der, (long) length);
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    int bits = key ? EVP_PKEY_get_bits(key) : 0;

    if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
    {
        bits = -bits;
    }
    X509_free(certificate);
    ERR_clear_error();
    return bits;
}

int64_t cog_certificate_not_after(const unsigned char *der, size_t length)
{
    X509 *certificate = d2i_X509(NULL, &der, (long) length);
    struct tm broken;
    int64_t ends = 0;

    if (certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &broken))
    {
        ends = (int64_t) timegm(&broken);
    }
    X509_free(certificate);
    ERR_clear_error();
    return ends;
}

OM_uint32 cog_gss_wrap(
    gss_ctx_id_t context, int encrypt, const char *data, size_t length, cog_message *message)
{
    gss_buffer_desc in = {length, (void *) data}, out = GSS_C_EMPTY_BUFFER;
    OM_uint32 major = gss_wrap(&message->minor, context, encrypt, GSS_C_QOP_DEFAULT, &in,
                               &message->encrypted, &out);

    message->out = out.value;
    message->length = out.length;
    return major;
}

OM_uint32 cog_gss_unwrap(
    gss_ctx_id_t context, const char *data, size_t length, cog_message *message)
{
    gss_buffer_desc in = {length, (void *) data}, out = GSS_C_EMPTY_BUFFER;
    gss_qop_t qop = 0;
    OM_uint32 major = gss_unwrap(&message->minor, context, &in, &out, &message->encrypted, &qop);

    message->qop = qop;
    message->out = out.value;
    message->length = out.length;
    return major;
}
